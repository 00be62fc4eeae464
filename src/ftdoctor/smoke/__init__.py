"""The smallest run that proves a job: plan, payload, verdict."""

"""The job that would run, and one reader for each form that a job is written in."""

"""From a failed job's log to its cause: clean, split into blocks, match, order."""

"""What the scanner keeps beside the rules' own literals: tracebacks, ends of runs, facts.

(literal without digits, a whole word in it or b"", kind): kind 1 is the head of a traceback, after
which more lines are kept.
"""

from __future__ import annotations

MARKERS: tuple[tuple[bytes, bytes, int], ...] = (
    (b"Traceback (most recent call last)", b"Traceback", 1),
    (b"During handling of the above exception", b"handling", 1),
    (b"The above exception was the direct cause", b"direct", 1),
    (b"Fatal Python error", b"Fatal", 0),
    (b"Segmentation fault", b"Segmentation", 0),
    (b"core dumped", b"", 0),
    (b"Killed", b"", 0),
    (b"exited with", b"exited", 0),
    (b"exit code", b"", 0),
    (b"exitcode", b"exitcode", 0),
    (b"terminate called", b"terminate", 0),
    (b"Error: ", b"", 0),
    (b"Exception: ", b"", 0),
    (b"ERROR: ", b"", 0),
    (b"error: ", b"", 0),
    (b"train_runtime", b"", 0),
    (b"Training completed", b"", 0),
    (b"Job completed successfully", b"", 0),
    (b"===== Job started", b"", 0),
    (b"Job is preparing", b"preparing", 0),
    (b"for the current attempt", b"attempt", 0),
    (b"estarting worker group", b"", 0),
    (b"will restart worker group", b"restart", 0),
    (b"'loss': nan", b"", 0),
    (b"'grad_norm': nan", b"", 0),
    (b"'loss': 'nan'", b"", 0),
    (b"'loss': ", b"", 0),
    (b"Driver Version:", b"Driver", 0),
    (b"Successfully installed", b"Successfully", 0),
    (b"Running training", b"", 0),
    (b"world_size", b"", 0),
    (b"Num examples", b"", 0),
)

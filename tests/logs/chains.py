"""What launchers, platforms and libraries print round a failure, as they print it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_ELASTIC = """\
W0510 02:24:35.017000 71 torch/distributed/elastic/multiprocessing/api.py:900] Sending process 93 closing signal SIGTERM
E0510 02:24:36.212000 71 torch/distributed/elastic/multiprocessing/api.py:874] failed (exitcode: 1) local_rank: 0 (pid: 92) of binary: /usr/bin/python3
Traceback (most recent call last):
  File "/usr/local/bin/torchrun", line 8, in <module>
    sys.exit(main())
  File "/usr/local/lib/python3.11/site-packages/torch/distributed/launcher/api.py", line 263, in launch_agent
    raise ChildFailedError(
torch.distributed.elastic.multiprocessing.errors.ChildFailedError:
============================================================
train.py FAILED
------------------------------------------------------------
Failures:
  <NO_OTHER_FAILURES>
------------------------------------------------------------
Root Cause (first observed failure):
[0]:
  time      : 2026-05-10_02:24:35
  host      : node-0
  rank      : 0 (local_rank: 0)
  exitcode  : 1 (pid: 92)
  error_file: <N/A>
  traceback : To enable traceback see: https://pytorch.org/docs/stable/elastic/errors.html
============================================================
"""
_ACCELERATE = """\
Traceback (most recent call last):
  File "/usr/local/bin/accelerate", line 8, in <module>
    sys.exit(main())
  File "/usr/local/lib/python3.11/site-packages/accelerate/commands/launch.py", line 763, in simple_launcher
    raise subprocess.CalledProcessError(returncode=process.returncode, cmd=cmd)
subprocess.CalledProcessError: Command '['/usr/bin/python3', 'train.py', '--steps', '60']' returned non-zero exit status 1.
"""
_DEEPSPEED = """\
[2026-05-10 02:24:37,101] [INFO] [launch.py:319:sigkill_handler] Killing subprocess 92
[2026-05-10 02:24:37,102] [INFO] [launch.py:319:sigkill_handler] Killing subprocess 93
[2026-05-10 02:24:37,103] [ERROR] [launch.py:325:sigkill_handler] ['/usr/bin/python3', '-u', 'train.py'] exits with return code = 1
"""
_SLURM = """\
srun: error: node-0: task 0: Exited with exit code 1
srun: Terminating StepId=4412.0
slurmstepd: error: *** STEP 4412.0 ON node-0 CANCELLED AT 2026-05-10T02:24:38 ***
"""
_VERTEX = """\
The replica workerpool0-0 exited with a non-zero status of 1. To find out more about why your job exited please check the logs: https://console.cloud.google.com/logs/viewer?project=1&resource=ml_job
"""
_TEARDOWN = """\
[rank0]:[W510 02:24:35.100000000 ProcessGroupNCCL.cpp:1496] Warning: WARNING: destroy_process_group() was not called before program exit, which can leak resources. For more info, please see https://pytorch.org/docs/stable/distributed.html#shutdown (function operator())
wandb: You can sync this run to the cloud by running:
wandb: wandb sync /app/wandb/offline-run-20260510_022433-abcd1234
wandb: Find logs at: wandb/offline-run-20260510_022433-abcd1234/logs
/usr/lib/python3.11/multiprocessing/resource_tracker.py:254: UserWarning: resource_tracker: There appear to be 1 leaked semaphore objects to clean up at shutdown
  warnings.warn('resource_tracker: There appear to be %d '
"""
_OTHER_RANK = """\
[rank1]:[E510 02:34:35.100000000 ProcessGroupNCCL.cpp:629] [Rank 1] Watchdog caught collective operation timeout: WorkNCCL(SeqNum=11, OpType=ALLREDUCE, NumelIn=1, NumelOut=1, Timeout(ms)=600000) ran for 600023 milliseconds before timing out.
[rank1]:[E510 02:34:35.200000000 ProcessGroupNCCL.cpp:681] [Rank 1] Some NCCL operations have failed or timed out. Due to the asynchronous nature of CUDA kernels, subsequent GPU operations might run on corrupted/incomplete data.
"""
_BEFORE = """\
WARNING: Running pip as the 'root' user can result in broken permissions and conflicting behaviour with the system package manager.
Error in sitecustomize; set PYTHONVERBOSE for traceback:
ModuleNotFoundError: No module named 'pythonjsonlogger'
/usr/local/lib/python3.11/site-packages/torch/utils/checkpoint.py:85: UserWarning: None of the inputs have require_grad=True
huggingface/tokenizers: The current process just got forked, after parallelism has already been used. Disabling parallelism to avoid deadlocks...
Setting `pad_token_id` to `eos_token_id`:2 for open-end generation.
`use_cache=True` is incompatible with gradient checkpointing. Setting `use_cache=False`.
The installed package is older than the newest one; you should consider upgrading it.
[2026-05-10 02:24:01,300] [INFO] [real_accelerator.py:239:get_accelerator] Setting ds_accelerator to cuda (auto detect)
ERROR: pip's dependency resolver does not currently take into account all the packages that are installed. This behaviour is the source of the following dependency conflicts.
"""


def _end(log: str) -> str:
    return log if log.endswith("\n") else log + "\n"


def _ranked(log: str) -> str:
    return "".join(f"[rank0]: {row}\n" for row in log.rstrip("\n").split("\n"))


def under_torchrun(log: str) -> str:
    """The rank's lines, then the elastic agent's word."""
    return _ranked(log) + _ELASTIC


def under_accelerate(log: str) -> str:
    """One process under `accelerate launch`."""
    return _end(log) + _ACCELERATE


def under_deepspeed(log: str) -> str:
    """The launcher of DeepSpeed kills what is left."""
    return _end(log) + _DEEPSPEED


def under_slurm(log: str) -> str:
    """The scheduler ends the other tasks."""
    return _end(log) + _SLURM


def under_vertex(log: str) -> str:
    """torchrun in a Vertex AI replica."""
    return _ranked(log) + _ELASTIC + _VERTEX


def with_teardown(log: str) -> str:
    """What libraries say at exit."""
    return _end(log) + _TEARDOWN


def with_other_ranks(log: str) -> str:
    """Another rank waits for the dead one until its watchdog stops it."""
    return _ranked(log) + _OTHER_RANK + _ELASTIC


def after_warnings(log: str) -> str:
    """What stands above, in runs that end well too."""
    return _BEFORE + log


def quoted(log: str) -> str:
    """Pasted into an issue."""
    return "Hi, my run fails like this:\n```\n" + _end(log) + "```\nWhat can I do?\n"


def mailed(log: str) -> str:
    """Quoted in a mail."""
    return "".join(f"> {row}\n" for row in log.rstrip("\n").split("\n"))


def indented(log: str) -> str:
    """Pasted into a list."""
    return "".join(f"    {row}\n" for row in log.rstrip("\n").split("\n"))


def without_frames(log: str) -> str:
    """Code of the frames left out, as Python does where it has no source."""
    rows = log.rstrip("\n").split("\n")
    kept = [
        row
        for number, row in enumerate(rows)
        if not (number and rows[number - 1].startswith('  File "') and row.startswith("    "))
    ]
    return "\n".join(kept) + "\n"


def without_head(log: str) -> str:
    """The head of the first traceback lost."""
    return log.replace("Traceback (most recent call last):\n", "", 1)


def twice(log: str) -> str:
    """Two ranks fail alike, one after the other."""
    return _ranked(log) + _ranked(log).replace("[rank0]", "[rank1]") + _ELASTIC


#: Every chain that must not change the answer.
CHAINS: dict[str, Callable[[str], str]] = {
    function.__name__: function
    for function in (
        under_torchrun,
        under_accelerate,
        under_deepspeed,
        under_slurm,
        under_vertex,
        with_teardown,
        with_other_ranks,
        after_warnings,
        quoted,
        mailed,
        indented,
        without_frames,
        without_head,
        twice,
    )
}

"""Measure `ftdoctor explain` on a log that this script makes, beside `rg -f` with all patterns.

    python tools/bench_explain.py [--megabytes 1000] [--engine plain|fast|both] [--keep FILE]

The log looks like a long training run: pip lines, tqdm bars with carriage returns, losses, NCCL
INFO of eight ranks, warnings, and one out-of-memory traceback at the end. CPU seconds are user and
system time of the child process alone, which is what a busy machine does not distort.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

_HEAD = """\
Collecting trl==1.16.0
  Downloading trl-1.16.0-py3-none-any.whl (512 kB)
Successfully installed accelerate-1.15.0 peft-0.21.2 transformers-5.23.0 trl-1.16.0
***** Running training *****
  Num examples = 120,000
  Num Epochs = 3
  Instantaneous batch size per device = 4
  Gradient Accumulation steps = 8
"""

_TAIL = """\
[rank3]: Traceback (most recent call last):
[rank3]:   File "/workspace/train.py", line 88, in <module>
[rank3]:     trainer.train()
[rank3]:   File "/opt/venv/lib/python3.11/site-packages/transformers/trainer.py", line 2325, in x
[rank3]:     return inner_training_loop(
[rank3]:   File "/opt/venv/lib/python3.11/site-packages/torch/nn/modules/linear.py", line 125, in f
[rank3]:     return F.linear(input, self.weight, self.bias)
[rank3]: torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 224.00 MiB. GPU 3 has a \
total capacity of 79.18 GiB of which 121.00 MiB is free. Including non-PyTorch memory, this \
process has 79.05 GiB memory in use. Of the allocated memory 77.91 GiB is allocated by PyTorch, \
and 212.11 MiB is reserved by PyTorch but unallocated.
E0521 10:11:12.123000 77 torch/distributed/elastic/multiprocessing/api.py:869] failed \
(exitcode: 1) local_rank: 3 (pid: 81) of binary: /opt/venv/bin/python
"""


def make_log(path: Path, megabytes: int, seed: int = 1) -> None:
    """Write the log; the same seed gives the same bytes."""
    rng = random.Random(seed)
    step = 0
    total = 400_000
    with path.open("w", encoding="utf-8") as file:
        file.write(_HEAD)
        block: list[str] = []
        written = 0
        while written < megabytes * 1_000_000:
            block.clear()
            for _ in range(400):
                step += 1
                bars = []
                for _ in range(6):
                    percent = 100 * step // total
                    bars.append(
                        f"\r{percent:3d}%|{'█' * (percent // 10):10}| {step}/{total} "
                        f"[{step // 60:02d}:{step % 60:02d}<11:02:33,  {rng.uniform(1, 3):.2f}it/s]"
                    )
                block.append("".join(bars) + "\n")
                loss = {
                    "loss": round(rng.uniform(0.3, 2.5), 4),
                    "grad_norm": rng.uniform(0.1, 3.0),
                    "learning_rate": rng.uniform(1e-6, 1e-4),
                    "epoch": round(step / total * 3, 2),
                }
                block.append(f"{loss}\n")
                rank = rng.randrange(8)
                pid = 4000 + rank
                block.append(
                    f"node-1:{pid}:{pid + 90} [{rank}] NCCL INFO "
                    f"Channel {rng.randrange(32):02d}/0 : "
                    f"{rank}[{rank}] -> {(rank + 1) % 8}[{(rank + 1) % 8}] via P2P/CUMEM\n"
                )
                if step % 50 == 0:
                    block.append(
                        "/opt/venv/lib/python3.11/site-packages/torch/utils/checkpoint.py:460: "
                        "UserWarning: torch.utils.checkpoint: please pass in use_reentrant=True or "
                        "use_reentrant=False explicitly.\n"
                    )
            text = "".join(block)
            file.write(text)
            written += len(text.encode())
        file.write(_TAIL)


def cpu(command: list[str], limit: float = 3600) -> tuple[float, float, int, str]:
    """Return (CPU seconds, wall seconds, peak MiB, output) of a command; "" past the limit."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    started = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        output, _ = process.communicate(timeout=limit)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        output = b""
    wall = time.perf_counter() - started
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return used, wall, after.ru_maxrss // 1024, output.decode("utf-8", "replace")


def patterns_files(folder: Path) -> dict[str, Path]:
    """Write all `any` patterns for `rg -f` and the literals that we search for `rg -F -f`.

    Rust's syntax has no look-around, and knows fewer escapes than Python's.
    """
    from ftdoctor.logs.literals import required
    from ftdoctor.rulebook.load import load

    rows = [text for rule in load() if rule.after for text in rule.after.any]
    literals = sorted({literal.text for row in rows for literal in required(row)})
    rows = [re.sub(r"\\([^\w.*+?()\[\]{}|^$\\])", r"\1", row) for row in rows]
    rows = [row for row in rows if "(?" not in row.replace("(?:", "")]
    files = {"rg -f": folder / "patterns.txt", "rg -F -f": folder / "literals.txt"}
    files["rg -f"].write_text("\n".join(rows) + "\n")
    files["rg -F -f"].write_text("\n".join(literals) + "\n")
    return files


def main() -> None:
    """Run the benchmark and print one JSON document."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--megabytes", type=int, default=1000)
    parser.add_argument("--engine", choices=["plain", "fast", "both"], default="both")
    parser.add_argument("--limit", type=float, default=120, help="Seconds that rg may take.")
    parser.add_argument("--keep", type=Path, help="Keep the log here, and use it when it exists.")
    options = parser.parse_args()
    result: dict[str, object] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        log = options.keep or folder / "train.log"
        if not log.exists():
            make_log(log, options.megabytes)
        size = log.stat().st_size / 1e6
        result["megabytes"] = round(size, 1)
        engines = ["plain", "fast"] if options.engine == "both" else [options.engine]
        base, *_ = cpu([sys.executable, "-c", "pass"])
        result["python_pass_cpu_s"] = round(base, 4)
        for engine in engines:
            command = [sys.executable, "-m", "ftdoctor", "explain", str(log), "--engine", engine]
            used, wall, peak, output = cpu([*command, "--format", "json"])
            try:
                answer = json.loads(output)
            except ValueError:
                result[engine] = "not installed"
                continue
            result[engine] = {
                "cpu_s": round(used, 3),
                "wall_s": round(wall, 3),
                "cpu_mb_per_s": round(size / used),
                "peak_mib": peak,
                "named": answer["cause"] and answer["cause"]["name"],
            }
        rg = shutil.which("rg") or os.environ.get("RG", "")
        if rg:
            for name, path in patterns_files(folder).items():
                flags = [rg, *name.split()[1:], str(path), "-c", str(log)]
                used, wall, _, output = cpu(flags, options.limit)
                row = {"cpu_s": round(used, 3), "wall_s": round(wall, 3)}
                row["patterns"] = len(path.read_text().splitlines())
                row["cpu_mb_per_s"] = round(size / used)
                result[name] = row if output else {**row, "stopped_after_s": options.limit}
        else:
            result["rg"] = "not installed"
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()

"""Start the payload again as several processes, with the launcher that the job itself uses."""

from __future__ import annotations

import json
import os
import socket
import sys
import tempfile
from typing import TYPE_CHECKING, Any, NamedTuple

from .state import FOLDER
from .telling import LAUNCHED

if TYPE_CHECKING:
    from collections.abc import Mapping


class Place(NamedTuple):
    """Where this machine stands among those of the job."""

    node: int
    nodes: int
    address: str
    port: int


def several(plan: Mapping[str, Any]) -> bool:
    """Whether the plan asks for more than one process."""
    return int(plan.get("processes") or 1) * int(plan.get("nodes") or 1) > 1


def place(nodes: int, environment: Mapping[str, str]) -> Place:
    """Return this machine's place among `nodes`.

    Vertex AI describes the machines in CLUSTER_SPEC; the first of workerpool0 leads
    (https://cloud.google.com/vertex-ai/docs/training/distributed-training#cluster-variables).
    Elsewhere MASTER_ADDR, MASTER_PORT and NODE_RANK (or RANK, per node) say it.

    Raises:
        RuntimeError: several machines are planned and none of these variables is set.
    """
    if nodes == 1:
        return Place(0, 1, "127.0.0.1", _free_port())
    text = environment.get("CLUSTER_SPEC")
    if text:
        spec = json.loads(text)
        pools: dict[str, list[str]] = spec["cluster"]
        task = spec["task"]
        machines = [(name, i) for name in sorted(pools) for i in range(len(pools[name]))]
        leader = pools[min(pools)][0]
        host, _, port = leader.partition(":")
        number = machines.index((task["type"], int(task["index"])))
        return Place(number, len(machines), host, int(port or 29500))
    address = environment.get("MASTER_ADDR")
    if not address:
        raise RuntimeError(
            f"{nodes} machines are planned, and neither CLUSTER_SPEC nor MASTER_ADDR is set: "
            "nothing says which machine leads"
        )
    number = int(environment.get("NODE_RANK") or environment.get("RANK") or 0)
    return Place(number, nodes, address, int(environment.get("MASTER_PORT") or 29500))


def _free_port() -> int:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        return int(held.getsockname()[1])


def command(plan: Mapping[str, Any], at: Place, program: list[str], folder: str) -> list[str]:
    """Return the command that starts all processes of this machine.

    FSDP and DeepSpeed that are set in a config of accelerate need `accelerate launch`; all else is
    torchrun, which `accelerate launch` calls too.
    """
    processes = int(plan.get("processes") or 1)
    config = plan.get("launch_config")
    if config and plan.get("device") != "cpu":
        path = os.path.join(folder, "accelerate.json")
        kept = {**config, "num_processes": processes * at.nodes, "num_machines": at.nodes}
        with open(path, "w", encoding="utf-8") as file:
            json.dump({**kept, "machine_rank": at.node, "debug": False}, file)
        words = [sys.executable, "-m", "accelerate.commands.launch", "--config_file", path]
        words += ["--num_processes", str(processes * at.nodes)]
        words += ["--num_machines", str(at.nodes), "--machine_rank", str(at.node)]
        words += ["--main_process_ip", at.address, "--main_process_port", str(at.port)]
        return [*words, *program]
    words = [sys.executable, "-m", "torch.distributed.run"]
    words += ["--nproc_per_node", str(processes), "--nnodes", str(at.nodes)]
    words += ["--node_rank", str(at.node)]
    words += ["--master_addr", at.address, "--master_port", str(at.port)]
    return [*words, *program]


def start(plan: Mapping[str, Any]) -> None:
    """Become the launcher; this does not return.

    Raises:
        RuntimeError: several machines, and nothing says which one leads.
    """
    at = place(int(plan.get("nodes") or 1), os.environ)
    folder = tempfile.mkdtemp(prefix="ftdoctor-launch-")
    # What Vertex AI set for the node would be taken for a process's own.
    for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK"):
        os.environ.pop(name, None)
    os.environ[LAUNCHED] = "1"
    os.environ[FOLDER] = folder
    if plan.get("device") == "cpu":
        # torchrun's own default of one thread, said by us so that it does not warn.
        os.environ.setdefault("OMP_NUM_THREADS", "1")
    words = command(plan, at, [os.path.abspath(sys.argv[0]), *sys.argv[1:]], folder)
    sys.stdout.flush()
    os.execv(words[0], words)


def die_with_parent() -> None:
    """End this process when its launcher is killed: torchrun starts it in a session of its own."""
    if not sys.platform.startswith("linux"):
        return
    import ctypes

    death_signal, kill = 1, 9  # PR_SET_PDEATHSIG of linux/prctl.h, SIGKILL
    ctypes.CDLL(None).prctl(death_signal, kill, 0, 0, 0)

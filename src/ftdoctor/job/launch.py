"""What a command starts: the training program behind `uv run`, `accelerate launch`, `python -m`...

Flags without a value: accelerate 1.x `accelerate.commands.launch.launch_command_parser()`, torch
2.13 `torch.distributed.run.get_args_parser()`, deepspeed `launcher/runner.py`, uv 0.9 `uv run
--help`, CPython `python --help`.
"""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING

from ftdoctor.job.shell_text import as_text
from ftdoctor.lazy import lazy
from ftdoctor.records import dataclass, field

if TYPE_CHECKING:
    from ftdoctor.job.model import Step
    from ftdoctor.job.value import Value

_PYTHON = lazy(r"(?:.*/)?(?:python(?:\d(?:\.\d+)?)?|ipython3?|pypy3?)\Z")
_ACCELERATE = frozenset(
    "cpu debug downcast_bf16 dynamo_use_dynamic dynamo_use_fullgraph"
    " dynamo_use_regional_compilation enable_cpu_affinity fp8_use_autocast_during_eval h help"
    " ipex ipex_enabled m module mps multi_gpu no_python no_tpu_cluster q quiet same_network tpu"
    " tpu_cluster tpu_use_sudo use_deepspeed use_fsdp use_megatron_lm use_parallelism_config use_tp"
    " use_xpu".split()
)
_TORCHRUN = frozenset(
    "h help m module no_python run_path standalone virtual_local_rank use_env".split()
)
_DEEPSPEED = frozenset(
    "h help module no_python no_local_rank force_multi save_pid no_ssh no_ssh_check"
    " bind_cores_to_rank".split()
)
_UV_RUN = frozenset(
    "m module s script gui_script isolated no_project frozen locked active no_sync exact no_dev dev"
    " only_dev all_extras all_groups no_editable no_env_file refresh reinstall upgrade U no_cache n"
    " offline quiet q verbose v no_config no_index no_progress native_tls managed_python"
    " no_managed_python no_python_downloads all_packages no_default_groups h help no_build"
    " no_binary no_sources".split()
)
_NO_FLAGS: frozenset[str] = frozenset()
#: Programs of other training stacks: seen, their settings are not read.
_OTHERS = {
    "axolotl": "Axolotl",
    "llamafactory-cli": "LLaMA-Factory",
    "autotrain": "AutoTrain",
    "tune": "torchtune",
    "lightning": "Lightning",
    "litgpt": "LitGPT",
    "swift": "ms-swift",
    "nemo": "NeMo",
    "mlx_lm.lora": "MLX",
}
_OTHER_MODULES = {
    "axolotl": "Axolotl",
    "llamafactory": "LLaMA-Factory",
    "autotrain": "AutoTrain",
    "torchtune": "torchtune",
    "mlx_lm": "MLX",
    "vllm": "vLLM",
}
_SHELLS = frozenset(("bash", "sh", "zsh", "dash", ".", "source"))
_TRL_VERBS = frozenset("sft dpo grpo kto reward rloo orpo cpo ppo online-dpo nash-md xpo".split())


@dataclass(slots=True)
class Launch:
    """What a step starts, with the launchers around it taken off."""

    step: Step
    #: "python" | "module" | "code" | "trl" | "other" | "shell" | "program"
    kind: str = "program"
    #: Path of the script, name of the module, inline code, or the program.
    target: Value[str] | None = None
    args: list[Value[str]] = field(default_factory=list)
    #: Launchers from the outside in: "uv run", "accelerate", "torchrun", "deepspeed", ...
    launchers: list[str] = field(default_factory=list)
    #: Options of accelerate, torchrun or deepspeed by name (underscores, no dashes).
    options: dict[str, Value[str] | None] = field(default_factory=dict)
    #: `uv run --with X`, `--with-requirements FILE`, `--python V`.
    with_: list[Value[str]] = field(default_factory=list)
    with_files: list[Value[str]] = field(default_factory=list)
    python: Value[str] | None = None
    #: "Axolotl", ... when kind is "other".
    stack: str = ""


def launch_of(step: Step) -> Launch | None:
    """Return what a step starts; None for a step without words."""
    if not step.argv:
        return None
    launch = Launch(step)
    words = list(step.argv)
    for _ in range(6):
        rest = _peel(words, launch)
        if rest is None:
            break
        words = rest
        if not words:
            return launch
    if launch.kind == "program":
        _program(words, launch)
    return launch


def _text(words: list[Value[str]], at: int) -> str:
    return as_text(words[at]).body if at < len(words) else ""


def _base(words: list[Value[str]]) -> str:
    return posixpath.basename(_text(words, 0))


def _peel(words: list[Value[str]], launch: Launch) -> list[Value[str]] | None:
    """Take one launcher off the front; None when there is none."""
    name, second = _base(words), _text(words, 1)
    if name in ("uv", "uvx"):
        if name == "uvx" or (second == "tool" and _text(words, 2) == "run"):
            launch.launchers.append("uvx")
            return _options(words[1 if name == "uvx" else 3 :], _UV_RUN, launch, uv=True)
        at = next((i for i in range(1, min(len(words), 8)) if _text(words, i) == "run"), 0)
        if not at or any(_text(words, i) in ("pip", "sync", "add", "tool") for i in range(1, at)):
            return None
        launch.launchers.append("uv run")
        return _options(words[at + 1 :], _UV_RUN, launch, uv=True)
    if name in ("poetry", "pipenv", "pdm", "hatch", "rye", "pixi") and second == "run":
        launch.launchers.append(f"{name} run")
        return _options(words[2:], _NO_FLAGS, launch)
    if name in ("conda", "mamba", "micromamba") and second == "run":
        launch.launchers.append(f"{name} run")
        return _options(words[2:], frozenset({"no_capture_output", "live_stream"}), launch)
    if name == "accelerate" and second == "launch":
        launch.launchers.append("accelerate")
        return _script(words[2:], _ACCELERATE, launch)
    if name in ("torchrun", "torch.distributed.run"):
        launch.launchers.append("torchrun")
        return _script(words[1:], _TORCHRUN, launch)
    if name == "deepspeed":
        launch.launchers.append("deepspeed")
        return _script(words[1:], _DEEPSPEED, launch)
    if name in ("srun", "mpirun", "mpiexec"):
        launch.launchers.append(name)
        return _options(words[1:], frozenset({"allow_run_as_root"}), launch)
    if name in ("tini", "dumb-init") or name.endswith("entrypoint.sh"):
        rest = words[1:]
        return rest[1:] if rest and _text(rest, 0) == "--" else rest
    if _PYTHON.match(_text(words, 0)):
        return _python(words[1:], launch)
    return None


def _python(words: list[Value[str]], launch: Launch) -> list[Value[str]] | None:
    at = 0
    while at < len(words):
        word = _text(words, at)
        if word in ("-m", "-c"):
            if at + 1 >= len(words):
                return []
            return _module(words, at, launch) if word == "-m" else _code(words, at, launch)
        if word in ("-W", "-X", "--check-hash-based-pycs"):
            at += 2
            continue
        if word == "-":
            return _stdin(words, at, launch)
        if word.startswith("-"):
            at += 1
            continue
        launch.kind, launch.target, launch.args = "python", words[at], words[at + 1 :]
        return []
    return _stdin(words, at, launch)


def _stdin(words: list[Value[str]], at: int, launch: Launch) -> list[Value[str]]:
    if launch.step.stdin is not None:
        launch.kind, launch.args = "code", words[at + 1 :]
    return []


def _code(words: list[Value[str]], at: int, launch: Launch) -> list[Value[str]]:
    launch.kind, launch.target, launch.args = "code", words[at + 1], words[at + 2 :]
    return []


def _module(words: list[Value[str]], at: int, launch: Launch) -> list[Value[str]] | None:
    module = _text(words, at + 1)
    rest = words[at + 2 :]
    if module in ("torch.distributed.run", "torch.distributed.launch"):
        launch.launchers.append("torchrun")
        return _script(rest, _TORCHRUN, launch)
    if module in ("accelerate.commands.launch", "accelerate.commands.accelerate_cli", "accelerate"):
        launch.launchers.append("accelerate")
        if _text(rest, 0) == "launch":
            rest = rest[1:]
        return _script(rest, _ACCELERATE, launch)
    if module == "deepspeed.launcher.runner":
        launch.launchers.append("deepspeed")
        return _script(rest, _DEEPSPEED, launch)
    if module in ("trl", "trl.cli", "trl.commands.cli"):
        launch.kind, launch.target, launch.args = "trl", words[at + 1], rest
        return []
    stack = _OTHER_MODULES.get(module.split(".")[0])
    launch.kind = "other" if stack else "module"
    launch.stack = stack or ""
    launch.target, launch.args = words[at + 1], rest
    return []


def _options(
    words: list[Value[str]], flags: frozenset[str], launch: Launch, uv: bool = False
) -> list[Value[str]]:
    """Skip the options of a launcher; keep what uv is told to install."""
    at = 0
    module = False
    while at < len(words):
        text = as_text(words[at])
        if text.body == "--":
            at += 1
            break
        if not text.body.startswith("-") or text.body == "-":
            break
        name, equals, value = text.partition("=")
        key = name.body.lstrip("-").replace("-", "_")
        if key in flags:
            module = module or key in ("m", "module")
            at += 1
            continue
        given: Value[str] | None = (
            value if equals else (words[at + 1] if at + 1 < len(words) else None)
        )
        at += 1 if equals else 2
        if uv and given is not None:
            _uv_option(key, given, launch)
        elif given is not None:
            launch.options.setdefault(key, given)
    if module and at < len(words):
        launch.kind, launch.target, launch.args = "module", words[at], words[at + 1 :]
        return []
    return words[at:]


def _uv_option(key: str, given: Value[str], launch: Launch) -> None:
    if key in ("with", "w", "with_editable"):
        launch.with_.extend(as_text(given).split(","))
    elif key == "with_requirements":
        launch.with_files.append(given)
    elif key in ("python", "p"):
        launch.python = given


def _script(words: list[Value[str]], flags: frozenset[str], launch: Launch) -> list[Value[str]]:
    """Read `[options] script args` of a distributed launcher."""
    at = 0
    module = program = False
    while at < len(words):
        text = as_text(words[at])
        if text.body == "--":
            at += 1
            break
        if not text.body.startswith("-"):
            break
        name, equals, value = text.partition("=")
        key = name.body.lstrip("-").replace("-", "_")
        if key in flags and not equals:
            launch.options[key] = None
            module = module or key in ("m", "module")
            program = program or key == "no_python"
            at += 1
            continue
        if equals:
            launch.options[key] = value
            at += 1
        else:
            launch.options[key] = words[at + 1] if at + 1 < len(words) else None
            at += 2
    if at >= len(words):
        return []
    if program:
        return words[at:]
    launch.kind = "module" if module else "python"
    launch.target, launch.args = words[at], words[at + 1 :]
    base = posixpath.basename(_text(words, at))
    if launch.kind == "python" and base == "trl":
        launch.kind = "trl"
    return []


def _program(words: list[Value[str]], launch: Launch) -> None:
    name = _base(words)
    launch.target, launch.args = words[0], words[1:]
    if name == "trl" and _text(words, 1) in _TRL_VERBS:
        launch.kind = "trl"
    elif name == "trl" and as_text(words[0]).known and not words[0].known:
        launch.kind = "program"
    elif name in _OTHERS:
        launch.kind, launch.stack = "other", _OTHERS[name]
    elif name.endswith(".py") or (launch.launchers and _looks_like_script(_text(words, 0))):
        launch.kind = "python"
    elif name.endswith((".sh", ".bash")) or name in _SHELLS:
        launch.kind = "shell"


def _looks_like_script(text: str) -> bool:
    return text.endswith(".py") or (text.startswith(("http://", "https://")) and ".py" in text)

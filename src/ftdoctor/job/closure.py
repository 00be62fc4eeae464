"""What installed packages bring along, as far as it is known."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftdoctor.job.model import Resolved
from ftdoctor.job.releases import canonical, needs, releases
from ftdoctor.tables import table

if TYPE_CHECKING:
    from ftdoctor.job.environment import Environment

#: Extras that the release tables keep (tools/release_table.py): one that a release lacks is empty.
_FOLLOWED = frozenset(
    "peft quantization quantize vllm deepspeed diffusers liger vlm kernels torch vision accelerate "
    "sentencepiece tiktoken video audio chat-template sklearn cli hf-transfer hf-xet".split()
)
#: Packages whose other extras bring nothing that a training needs, but for the broad ones.
_NARROW = frozenset("trl transformers peft accelerate datasets huggingface-hub".split())
_BROAD = frozenset(
    "all dev dev-torch docs integrations judges quality scikit test testing train tests".split()
)
#: Packages that bring nothing that a training script would import.
_LEAVES = frozenset(
    "torchao triton hf-transfer hf-xet ninja wheel setuptools pip packaging tomli exceptiongroup "
    "async-timeout importlib-metadata zipp typing-extensions rpds-py".split()
)
#: What packages without a full table bring along (their METADATA, November 2026).
_BRINGS = {
    "torch": "sympy networkx jinja2 fsspec filelock typing-extensions setuptools",
    "torchvision": "torch numpy pillow",
    "torchaudio": "torch",
    "xformers": "torch numpy",
    "deepspeed": "torch numpy einops ninja packaging psutil pydantic tqdm hjson msgpack py-cpuinfo",
    "flash-attn": "torch einops",
    "liger-kernel": "torch triton",
    "vllm": "torch torchvision torchaudio transformers tokenizers numpy pillow sentencepiece "
    "protobuf tiktoken einops requests aiohttp openai pydantic tqdm pyyaml fastapi ray "
    "opencv-python-headless pyzmq regex psutil scipy huggingface-hub cloudpickle",
}


def brings(name: str) -> tuple[str, ...] | None:
    """Return the packages that a package installs directly, or None when that is not known."""
    if name in _BRINGS:
        return tuple(_BRINGS[name].split())
    direct = table("closures")["direct"].get(name)
    if direct is not None:
        return tuple(direct)
    if name in _LEAVES or name.startswith(("nvidia-", "cuda-")):
        return ()
    return None


def close(state: dict[str, Resolved], environment: Environment) -> list[str]:
    """Add what the packages of `state` bring along; return why more may be there.

    Packages with a release table were followed by the resolver already; what they bring was added.
    """
    asked = {canonical(r.name): r for r in environment.taken}
    queue = [name for name, resolved in state.items() if resolved.source != "image"]
    open_reasons: list[str] = []
    seen = set(queue)
    while queue:
        name = queue.pop()
        resolved = state.get(name)
        exact = bool(releases(name)) and resolved is not None and resolved.version is not None
        requirement = asked.get(name)
        if exact and name not in _BRINGS:
            extras = {canonical(e) for e in requirement.extras} if requirement else set()
            version = (resolved.version if resolved else None) or ""
            known = {n.extra for n in needs(name, version, environment.python, environment.arch)}
            strange = extras - known - _FOLLOWED
            if strange if name not in _NARROW else strange & _BROAD:
                open_reasons.append(f"what {name}[{','.join(sorted(extras))}] brings is not known")
            continue
        direct = brings(name)
        with_extras = requirement is not None and bool(requirement.extras) and not exact
        if direct is None or (with_extras and name not in _BRINGS):
            open_reasons.append(f"what {name} brings along is not in the tables")
            continue
        for other in direct or ():
            if other not in state:
                state[other] = Resolved(
                    other, None, f"required by {name}", True, reason="not followed"
                )
            if other not in seen:
                seen.add(other)
                queue.append(other)
    return open_reasons

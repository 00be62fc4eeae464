"""What the Hub says to this job: who it is, whether it may read the model, whether it may write."""

from __future__ import annotations

import os
import shutil
import time
from typing import TYPE_CHECKING, Any

from .telling import local_rank, rank

if TYPE_CHECKING:
    from .state import Run

#: Small files that show whether the gate is open; the first is the one that every model has.
FEW = ("config.json", "tokenizer_config.json", "generation_config.json")
_WEIGHTS = (".safetensors", ".bin")


def token(run: Run) -> dict[str, Any]:
    """Ask the Hub who the job's token is; no token is only noted.

    A run that asks the Hub for nothing else needs no network: then a Hub that cannot be reached is
    noted too. What the Hub answers counts always.
    """
    from huggingface_hub import HfApi, get_token

    held = get_token()
    if not held:
        return {"token": "none"}
    if rank():
        return {}
    try:
        who = HfApi().whoami(token=held)
    except Exception as error:
        answered = getattr(error, "response", None) is not None
        if answered or run.plan.get("hub") or run.plan.get("confirms"):
            raise
        return {"token": "not asked", "why": f"{type(error).__name__}: {error}"[:200]}
    auth = who.get("auth") or {}
    role = (auth.get("accessToken") or {}).get("role") or auth.get("type")
    return {"token": role, "account": who.get("name"), "length": len(held)}


def download(run: Run) -> dict[str, Any]:
    """Fetch a few files of the real model: the gate and the token are proved by that.

    How large its weights are is asked too, and decides whether they are fetched later.
    """
    from huggingface_hub import HfApi, hf_hub_download

    plan = run.plan
    revision = plan.get("revision")
    start = time.monotonic()
    files = [os.path.basename(hf_hub_download(plan["model"], FEW[0], revision=revision))]
    info = HfApi().model_info(plan["model"], revision=revision, files_metadata=True)
    sizes = {s.rfilename: int(s.size or 0) for s in info.siblings or []}
    for name in FEW[1:]:
        if name in sizes:
            files.append(os.path.basename(hf_hub_download(plan["model"], name, revision=revision)))
    facts: dict[str, Any] = {"files": files, "seconds_for_them": round(time.monotonic() - start, 2)}
    plan["weights_ending"], size = _weight_files(sizes)
    facts["weight_bytes"] = size
    most = plan.get("most_weight_bytes")
    if run.weights == "real":
        if not size:
            plan["weights"] = "shape"
            facts["weights"] = "random of the same sizes: the size of the real ones is not listed"
        elif most is not None and size > int(most):
            plan["weights"] = "shape"
            facts["weights"] = (
                f"random of the same sizes: {size / 2**30:.1f} GiB would take too long to fetch"
            )
        else:
            facts["weights"] = "real"
    return facts


def _weight_files(sizes: dict[str, int]) -> tuple[str, int]:
    """Return what from_pretrained fetches: the ending, safetensors before .bin, and the bytes."""
    for ending in _WEIGHTS:
        found = sum(n for name, n in sizes.items() if name.endswith(ending) and "/" not in name)
        if found:
            return ending, found
    return "", 0


def weights(run: Run) -> dict[str, Any]:
    """Fetch the weights of the real model, where the plan allows it."""
    if run.weights != "real":
        return {"weights": run.weights, "fetched": False}
    if local_rank():  # the first of this machine fetches for all
        return {}
    from huggingface_hub import snapshot_download

    ending = run.plan.get("weights_ending") or _WEIGHTS[0]
    start = time.monotonic()
    folder = snapshot_download(
        run.plan["model"],
        revision=run.plan.get("revision"),
        allow_patterns=[f"*{ending}", "*.json", "*.model", "*.txt", "*.jinja"],
        ignore_patterns=["original/*", f"*/*{ending}"],
    )
    seconds = time.monotonic() - start
    size = sum(
        os.path.getsize(os.path.join(folder, n)) for n in os.listdir(folder) if n.endswith(ending)
    )
    return {
        "weights": "real",
        "bytes": size,
        "mib_per_second": round(size / 2**20 / max(seconds, 1e-9), 1),
        "disk_free_bytes": shutil.disk_usage(folder).free,
    }


def _full(api: Any, repo: str) -> str:
    """Return the name with its owner: without one it is the token's."""
    return repo if "/" in repo else f"{api.whoami()['name']}/{repo}"


def push(run: Run) -> dict[str, Any]:
    """Push what was saved to a branch of its own in the output repository, and remove it.

    A repository that is not there is made (private), as the job's own push would make it, and is
    removed again: only one that this run has made itself.
    """
    if rank():
        return {}
    from huggingface_hub import HfApi
    from huggingface_hub.utils import HfHubHTTPError

    api = HfApi()
    repo, branch = _full(api, run.plan["push"]), f"ftdoctor-smoke-{int(time.time())}-{os.getpid()}"
    made = False
    if not api.repo_exists(repo):
        api.create_repo(repo, private=True, exist_ok=False)
        made = True
    left: list[str] = []
    try:
        api.create_branch(repo, branch=branch)
        try:
            api.upload_folder(
                repo_id=repo,
                folder_path=run.saved,
                revision=branch,
                commit_message="smoke run of ftdoctor: this branch is removed at once",
            )
            there = {
                f.path: f.size
                for f in api.list_repo_tree(repo, revision=branch, recursive=True)
                if hasattr(f, "size")
            }
            missing = [
                name
                for name in os.listdir(run.saved)
                if there.get(name) != os.path.getsize(os.path.join(run.saved, name))
            ]
            if missing:
                raise RuntimeError(f"{repo} does not hold what was pushed: {sorted(missing)}")
        finally:
            try:
                api.delete_branch(repo, branch=branch)
            except HfHubHTTPError:
                left.append(f"branch {branch}")
    finally:
        if made:
            try:
                api.delete_repo(repo)
            except HfHubHTTPError:
                left.append(f"repository {repo}")
    facts: dict[str, Any] = {"repo": repo, "branch": branch, "files": len(there), "removed": True}
    if left:
        facts.update(removed=False, left=left)
    return facts

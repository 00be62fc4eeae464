"""Revisions and files that a job names, against what the Hub lists.

Only for repositories that are open to the job: the list of a gated one is public.
"""

from __future__ import annotations

from fnmatch import fnmatch
from typing import TYPE_CHECKING, Any

from ftdoctor.checks.about import near_names
from ftdoctor.checks.live_answers import silenced
from ftdoctor.facts.value import Access, NoRevision, Refs, RepoFiles
from ftdoctor.facts.weights import WEIGHTS
from ftdoctor.rulebook.model import Fix, Hit, Unsure

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftdoctor.checks.context import Context
    from ftdoctor.facts.repos import Wanted
    from ftdoctor.job.source import Place

#: Files of which one tells a library other than transformers how to load the repository.
_OTHER_HEADS = frozenset(
    "adapter_config.json model_index.json modules.json params.json config.yaml"
    " config_sentence_transformers.json open_clip_config.json".split()
)


def _open(context: Context) -> Iterator[Wanted]:
    """Yield the repositories of the job that the Hub lets it read."""
    if silenced(context):
        return
    for item in context.facts.get("hub.wanted", ()):
        answer = context.facts.get(f"hub.{item.repo_type}:{item.repo}")
        if isinstance(answer, Access) and answer.kind == "open":
            yield item


def _listed(names: list[str], wanted: str = "") -> str:
    """Return up to six names, those most like `wanted` first."""
    near = near_names(wanted, names, 3, 0.4) if wanted else []
    rest = [name for name in names if name not in near]
    shown = [*near, *rest][:6]
    more = len(names) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more > 0 else "") if shown else "nothing"


def revision(context: Context, **_: object) -> Iterator[Hit | Unsure]:
    """A branch, tag or commit that the repository does not have."""
    for item in _open(context):
        answer = context.facts.get(f"hub.files:{item.key}")
        if not isinstance(answer, NoRevision):
            continue
        known = context.facts.get(f"hub.refs:{item.repo_type}:{item.repo}")
        names = list(known.names) if isinstance(known, Refs) else []
        if item.revision in names:
            yield Unsure(
                f"the Hub lists the revision {item.revision} of {item.repo} and does not find it",
                "trying again",
            )
            continue
        told = {
            "repo": item.repo,
            "repo_type": item.repo_type,
            "revision": item.revision,
            "exists": _listed(names, item.revision) if names else "",
            "said": answer.said,
            "call": answer.call,
        }
        has = "; it has {exists}." if names else "."
        kind = "" if item.repo_type == "model" else f"{item.repo_type}s/"
        yield Hit(
            item.revision_place or item.place,
            told,
            told,
            summary="The {repo_type} {repo} has no revision {revision}" + has,
            advice=(
                Fix(
                    "Set revision to a branch, tag or full commit that exists, or leave it out "
                    "for main.",
                    f"git ls-remote --heads --tags https://huggingface.co/{kind}{item.repo}",
                ),
            ),
        )


def missing_file(context: Context, **_: object) -> Iterator[Hit]:
    """A file that the job names and the repository does not hold."""
    for item in _open(context):
        answer = context.facts.get(f"hub.files:{item.key}")
        if not isinstance(answer, RepoFiles) or not answer.complete or item.soft:
            continue
        names = sorted(answer.files)
        told: dict[str, Any] = {
            "repo": item.repo,
            "repo_type": item.repo_type,
            "call": answer.call,
        }
        for wanted, place in item.files:
            if not _matches(names, wanted, item.subfolder):
                yield _absent(item, wanted, place, told | {"exists": _listed(names, wanted)})
        if item.subfolder and not any(n.startswith(f"{item.subfolder}/") for n in names):
            folders = sorted({n.rsplit("/", 1)[0] for n in names if "/" in n})
            shown = told | {"exists": _listed(folders or names, item.subfolder)}
            yield _absent(item, f"{item.subfolder}/", None, shown)
        elif item.loads == "full" and (why := _not_loadable(names, item.subfolder)):
            shown = told | {"exists": _listed(names), "wanted": "config.json", "why": why}
            yield Hit(
                item.place, shown, shown, summary="{repo} cannot be loaded as a model: {why}."
            )


def _absent(item: Wanted, name: str, place: Place | None, told: dict[str, Any]) -> Hit:
    told = told | {"wanted": name}
    return Hit(place or item.place, told, told, summary="{repo} has no {wanted}; it has {exists}.")


def _matches(names: list[str], wanted: str, subfolder: str) -> bool:
    """Whether a name, pattern or folder matches a file; a doubt counts as a match."""
    if any(mark in wanted for mark in "{}[]") or ".." in wanted:
        return True
    wanted = wanted.rstrip("/")
    places = [wanted, f"{subfolder}/{wanted}"] if subfolder else [wanted]
    return any(
        name == place
        or name.startswith(f"{place}/")
        or fnmatch(name, place.replace("**/", "*"))
        or name.endswith(f"/{place}")  # relative to a data_dir
        for place in places
        for name in names
    )


def _not_loadable(names: list[str], subfolder: str) -> str:
    """Return why transformers cannot load a whole model from these files, or ""."""
    folder = f"{subfolder}/" if subfolder else ""
    here = {name[len(folder) :] for name in names if name.startswith(folder)}
    weights = [name for name in here if name.endswith(WEIGHTS)]
    if not weights or here & _OTHER_HEADS:
        return ""  # nothing in it that could be judged, or another library's repository
    gguf = all(name.endswith(".gguf") for name in weights)
    if gguf:
        return "it holds GGUF files only, and gguf_file names none of them"
    if "config.json" not in here:
        return "it has no config.json"
    return ""

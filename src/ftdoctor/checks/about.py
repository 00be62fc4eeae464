"""Questions that many checks ask about a job: its code, its environment, what can be told.

Nothing here judges. `code(job)` is the text of everything that runs in the job as far as it was
read; `code_gap(job)` says what of it was not read ("" when all was), because a check that claims
something is missing must have seen the whole.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ftdoctor.job.value import get
from ftdoctor.lazy import lazy
from ftdoctor.records import dataclass, field

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ftdoctor.job.model import Job, Step, Training, WorkerPool
    from ftdoctor.job.source import Place
    from ftdoctor.job.value import Value
    from ftdoctor.rulebook.model import Severity

#: Forms that say how the job is launched; a bare script or notebook does not.
LAUNCHED = frozenset(
    "vertex-yaml vertex-gcloud vertex-python vertex-json "
    "hf-jobs-cli hf-jobs-python hf-jobs-call".split()
)
HF_JOBS = frozenset(("hf-jobs-cli", "hf-jobs-python", "hf-jobs-call"))
VERTEX = frozenset(("vertex-yaml", "vertex-gcloud", "vertex-python", "vertex-json"))
TOKEN_NAMES = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN")

_SCRIPT_RUNNERS = lazy(r"(?:python[\d.]*|bash|sh|zsh|deepspeed)\Z")


@dataclass(slots=True)
class _View:
    job: Job
    code: str
    submit: str
    gap: str
    env: list[dict[str, Value[str]]] = field(default_factory=list)


_last: list[_View] = []


def _view(job: Job) -> _View:
    """Return the joined texts of a job, computed once while its rules run one after another."""
    if _last and _last[0].job is job:
        return _last[0]
    parts = [s.source.text for s in job.scripts if s.role != "submit"]
    parts += [step_text(step) for step in job.steps]
    submit = [s.source.text for s in job.scripts if s.role == "submit"] + [job.source.text]
    text = re.sub(r"(?m)^[ \t]*#.*$", "", "\n".join(parts))
    view = _View(job, text, "\n".join(submit), _gap(job))
    if job.form in HF_JOBS:
        base = dict(job.pools[0].env) if job.pools else {}
        view.env = [{**base, **job.secrets}]
    else:
        view.env = [{**pool.env, **job.secrets} for pool in job.pools]
    _last[:] = [view]
    return view


def step_text(step: Step) -> str:
    """Return a step as text, its assignments included."""
    assigned = " ".join(
        f"{name}={value.raw or value.value or ''}" for name, value in step.assignments.items()
    )
    words = step.text or " ".join(v.raw or str(v.value or "") for v in step.argv)
    return f"{assigned} {words}" if assigned and assigned not in words else words


def _gap(job: Job) -> str:
    for item in job.unread:
        return f"{item.what}: {item.reason}"
    if job.form not in LAUNCHED:
        return ""
    if any(t.written_as == "trl-cli" for t in job.trainings):
        return ""
    if not any(s.role != "submit" for s in job.scripts):
        return "the code that runs in the container was not found beside the job"
    for script in job.scripts:
        if script.broken:
            return f"{script.source.path}: {script.broken}"
    return ""


def code(job: Job) -> str:
    """Return the text of all code and commands that run in the job, as far as it was read."""
    return _view(job).code


def submit_text(job: Job) -> str:
    """Return the text of what submits the job: the spec, command or submit script."""
    return _view(job).submit


def code_gap(job: Job) -> str:
    """Return why the code that runs is not known whole, or ""."""
    return _view(job).gap


def launched(job: Job) -> bool:
    """Whether the launch (machine, environment, secrets) was read, not only the script."""
    return job.form in LAUNCHED


def remote(job: Job) -> bool:
    """Whether the job runs in a container of a platform, away from this machine."""
    return job.platform in ("vertex", "hf-jobs")


def environments(job: Job) -> list[dict[str, Value[str]]]:
    """Return the environment of each worker pool, secrets included; one entry for HF Jobs."""
    return _view(job).env


def env_open(job: Job) -> str:
    """Return why the environment cannot be listed whole, or ""."""
    for pool in job.pools:
        if pool.env_open:
            return pool.env_open
    if job.extra.get("secrets_open") or job.extra.get("env_open"):
        return str(job.extra.get("secrets_open") or job.extra.get("env_open"))
    return ""


def env_value(job: Job, name: str) -> Iterator[tuple[int, Value[str]]]:
    """Yield (pool index, value) for every pool that sets `name`."""
    for index, env in enumerate(environments(job)):
        if name in env:
            yield index, env[name]


def env_place(job: Job, pool: int, name: str) -> Place | None:
    """Return where an environment variable's value stands, else its name, else the pool."""
    value = environments(job)[pool].get(name)
    if value is not None and value.place is not None:
        return value.place
    if pool < len(job.pools):
        return job.pools[pool].env_places.get(name) or job.pools[pool].place
    return job.place


def env_texts(job: Job) -> Iterator[tuple[int, str, str]]:
    """Yield (pool index, name, text) for every environment value that is known."""
    for index, env in enumerate(environments(job)):
        for name, value in env.items():
            text = get(value)
            if isinstance(text, str):
                yield index, name, text


_DOCUMENT = (".md", ".mdx", ".markdown", ".rst", ".txt", ".qmd", ".ipynb")


def document(place: Place | None) -> bool:
    """Whether a text stands in a document, a notebook or a template that is to be filled in."""
    if place is None:
        return False
    if place.path.endswith(_DOCUMENT) or "docstring" in place.context:
        return True
    name = place.path.rsplit("/", 1)[-1].lower()
    return bool(re.search(r"(?:^|[._-])(?:example|sample|template|tmpl|tpl)s?(?:[._-]|\Z)", name))


def softer(place: Place | None) -> Severity | None:
    """Return "warning" for an example in a document, None (the rule's own) for anything else."""
    return "warning" if document(place) else None


def truthy(text: str | None) -> bool:
    """Whether huggingface_hub reads this environment value as true (constants._is_true, 2.4.0)."""
    return text is not None and text.upper() in {"1", "ON", "YES", "TRUE"}


def has_token(job: Job) -> bool:
    """Whether every pool's environment sets a Hub token under a name that is read."""
    envs = environments(job)
    return bool(envs) and all(any(name in env for name in TOKEN_NAMES) for env in envs)


_OWN_TOKEN = lazy(
    r"""secret_?manager | access_secret | get_secret | load_dotenv | dotenv
    | userdata | UserSecretsClient
    | environ\s*\[\s*["'](?:HF_TOKEN|HUGGING_FACE_HUB_TOKEN)["']\s*\]\s*=(?!=)
    | environ\s*\.\s*(?:setdefault|update) | putenv
    | \b(?:HF_TOKEN|HUGGING_FACE_HUB_TOKEN)=(?![=\s]) | HF_TOKEN_PATH | HF_OIDC_RESOURCE
    | (?:hf\s+auth|huggingface-cli)\s+login | (?:\bsource|\bset\s+-a|\b\.)\s+\S*\.?env\b
    | \btoken\s*=\s*["']hf_ | vault | boto3 | keyring | getpass
    | token_file | \.token\b | write_token
    | gcloud\s+secrets | \b(?:args|cfg|config|hparams|FLAGS|settings|params|opt)\.\w*token
    | --(?:hf_|hub_|hf-)?token
    | \.huggingface | hf_token\s*[:=] | /token\b""",
    re.X | re.I,
)


def own_token(job: Job) -> bool:
    """Whether the code gets a token by itself (Secret Manager, .env, an argument, a login)."""
    if _OWN_TOKEN.search(code(job)):
        return True
    given = [v.raw or v.value or "" for pool in job.pools for v in (*pool.command, *pool.args)]
    return any(_token_argument(text) for text in given)


def _token_argument(text: str) -> bool:
    """Whether an argument hands a token over (`--hf_token=...`, not `--max_tokens`)."""
    low = text.lower()
    if "token" not in low and "secret" not in low:
        return False
    return bool(re.search(r"(?:^|[-_/= ])token(?![a-z])|secret", low))


def pools_that_run(job: Job) -> Iterator[tuple[int, WorkerPool]]:
    """Yield the pools that run the training image; a reduction server is not one."""
    for index, pool in enumerate(job.pools):
        if "reductionserver" not in (get(pool.image) or ""):
            yield index, pool


def words(step: Step) -> list[str]:
    """Return the known words of a step; "" stands for one that is not known."""
    return [get(value) or "" for value in step.argv]


def program(step: Step) -> str:
    """Return the base name of the program of a step."""
    return (get(step.argv[0]) or "").rsplit("/", 1)[-1] if step.argv else ""


def trains(step: Step) -> bool:
    """Whether a step starts a training: a launcher, trl, or Python running a script or module."""
    argv = words(step)
    name = program(step)
    if name in ("uv", "poetry", "pipenv", "conda", "pixi") and "run" in argv[1:4]:
        rest = argv[argv.index("run") + 1 :]
        return any(
            _is_python_run(rest[i:]) or word.endswith(".py") for i, word in enumerate(rest[:8])
        )
    if name in ("torchrun", "accelerate", "deepspeed"):
        return name != "accelerate" or "launch" in argv
    if name == "trl":
        return len(argv) > 1 and argv[1] in {"sft", "dpo", "grpo", "kto", "reward", "rloo", "orpo"}
    if name in ("axolotl", "llamafactory-cli", "tune"):
        return True
    return _is_python_run(argv)


def _is_python_run(argv: list[str]) -> bool:
    if not argv or not re.fullmatch(r"(?:.*/)?python[\d.]*", argv[0]):
        return (argv[0].rsplit("/", 1)[-1] if argv else "") in ("torchrun", "accelerate", "trl")
    rest = [word for word in argv[1:] if word not in ("-u", "-O", "-B")]
    if not rest:
        return False
    if rest[0] == "-m":
        return len(rest) > 1 and rest[1].split(".")[0] not in {
            "pip",
            "venv",
            "ensurepip",
            "json",
            "http",
        }
    return rest[0].endswith(".py")


def launcher_processes(job: Job) -> int | None:
    """Return how many processes per machine the launch starts, None when it cannot be told.

    1 for a plain `python`. Facts: torchrun's --nproc_per_node (default 1), accelerate's
    --num_processes (its default comes from a config file, so unknown).
    """
    found: int | None = None
    for step in job.steps:
        if not trains(step):
            continue
        found = _processes(words(step))
        if found != 1:
            return found
    return found


def _flag(argv: list[str], *names: str) -> str | None:
    wanted = {name.replace("_", "-") for name in names}
    for index, word in enumerate(argv):
        key, equals, value = word.partition("=")
        if key.replace("_", "-") in wanted:
            return value if equals else (argv[index + 1] if index + 1 < len(argv) else None)
    return None


def _processes(argv: list[str]) -> int | None:
    text = " ".join(argv)
    if "accelerate launch" in text or "accelerate.commands.launch" in text:
        given = _flag(argv, "--num_processes")
        return int(given) if given and given.isdigit() else None
    if re.search(r"\btorchrun\b|torch\.distributed\.(?:run|launch)", text):
        given = _flag(argv, "--nproc_per_node")
        if given is None:
            return (
                None if any(w.replace("_", "-").startswith("--nproc-per-node") for w in argv) else 1
            )
        return int(given) if given.isdigit() else None
    if re.search(r"(?:^|\s)(?:\S*/)?(?:deepspeed|trl|axolotl|llamafactory-cli|tune)(?:\s|$)", text):
        return None
    return 1


def gpu_count(job: Job) -> int | None:
    """Return the number of GPUs of one machine of the job, None when it cannot be told."""
    from ftdoctor.job.hardware import hardware

    found = hardware(job)
    return found.count if found is not None else None


def argument(training: Training, name: str) -> object:
    """Return a training argument if it is written and known, else None."""
    return get(training.arguments.get(name))


def report_targets(training: Training) -> tuple[set[str], Value[object] | None]:
    """Return the trackers of `report_to`, lower case, and the value as read."""
    value = training.arguments.get("report_to")
    given = get(value)
    if isinstance(given, str):
        return {part.strip().lower() for part in re.split(r"[,\s]+", given) if part.strip()}, value
    if isinstance(given, (list, tuple)):
        return {str(part).lower() for part in given}, value
    return set(), value


def near_names(word: str, names: Iterable[str], n: int, cutoff: float) -> list[str]:
    """Return the n names most like a word (`difflib.get_close_matches`, imported on use)."""
    from difflib import get_close_matches

    return get_close_matches(word, list(names), n=n, cutoff=cutoff)

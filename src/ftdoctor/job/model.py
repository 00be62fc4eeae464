"""The Job: what would run. Readers build it, checks read it; nothing here does I/O.

A field that is None was not written. A `Value` that is not known was written in a way that the
files alone do not settle (see `ftdoctor.job.value`).
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from ftdoctor.lazy import lazy_module
from ftdoctor.records import dataclass, field

if TYPE_CHECKING:
    import ast

    from ftdoctor.facts.machine import Machine
    from ftdoctor.job.environment import Environment
    from ftdoctor.job.source import Place, Source
    from ftdoctor.job.value import Value
else:
    ast = lazy_module("ast")

Platform = Literal["vertex", "hf-jobs", "local", "colab", "unknown"]

#: How a job was written; one reader each.
Form = Literal[
    "vertex-yaml",
    "vertex-gcloud",
    "vertex-python",
    "vertex-json",
    "hf-jobs-cli",
    "hf-jobs-python",
    "hf-jobs-call",
    "uv-script",
    "trl-cli",
    "launcher",
    "script",
    "notebook",
    "terraform",
    "kfp",
    "tuning",
    "other",
]


@dataclass(eq=False)
class WorkerPool:
    """One group of identical machines. HF Jobs, local runs and notebooks have exactly one."""

    place: Place | None = None
    machine_type: Value[str] | None = None
    accelerator_type: Value[str] | None = None
    accelerator_count: Value[int] | None = None
    replica_count: Value[int] | None = None
    boot_disk_type: Value[str] | None = None
    boot_disk_gb: Value[int] | None = None
    image: Value[str] | None = None
    #: containerSpec.command and args, item by item.
    command: list[Value[str]] = field(default_factory=list)
    args: list[Value[str]] = field(default_factory=list)
    #: Environment of the container, by name. `env_places` points at the names.
    env: dict[str, Value[str]] = field(default_factory=dict)
    env_places: dict[str, Place] = field(default_factory=dict)
    #: pythonPackageSpec
    package_uris: list[Value[str]] = field(default_factory=list)
    python_module: Value[str] | None = None
    #: True when the environment cannot be listed whole (built elsewhere, unpacked from a name).
    env_open: str = ""
    #: What was written under this pool and is not a field of the API: (key path, place).
    unread_keys: list[tuple[str, Place]] = field(default_factory=list)


@dataclass(eq=False)
class Step:
    """One simple command that runs in the container or cell, in order.

    `argv[0]` is the program after assignments and wrappers such as `exec`, `sudo`, `time`.
    `joined` is what stands between this step and the next: "&&", "||", ";", "\\n", "|", "&", "".
    `guarded` is True when `set -e` (or the equivalent) is in force at this step.
    """

    argv: list[Value[str]]
    place: Place
    joined: str = ""
    guarded: bool = False
    assignments: dict[str, Value[str]] = field(default_factory=dict)
    #: "container" | "submit" | "notebook" | "dockerfile": where this command runs.
    where: str = "container"
    text: str = ""
    #: What the command stands in, outermost first: "if", "condition", "loop", "case", "subshell",
    #: "function:NAME", "substitution" (inside `$(...)`).
    inside: tuple[str, ...] = ()
    #: True when `set -o pipefail` is in force: a pipe then fails with its first part.
    pipefail: bool = False
    #: The text that the command gets on standard input from a here-document.
    stdin: Source | None = None


@dataclass(frozen=True)
class Requirement:
    """A request for a package, as written. `specifier` is PEP 440 ("" for none)."""

    name: str
    specifier: str
    #: "with" | "step" | "pep723" | "lock" | "dockerfile" | "requirements" | "pyproject" |
    #: "setup.py" | "notebook" | "uv-with" | "image"
    source: str
    place: Place | None = None
    extras: tuple[str, ...] = ()
    url: str = ""
    marker: str = ""
    upgrade: bool = False
    #: Position in time: a later install of the same package wins over an earlier one.
    #: Requirements of one command (or one file) share it: they are resolved together.
    order: int = 0
    #: The index that the command names besides or instead of the default ("https://.../whl/cu126",
    #: or "cu126" of uv's `--torch-backend=cu126`); "" for the default.
    index: str = ""
    #: `--no-deps`: what it requires is not installed.
    no_deps: bool = False


@dataclass(frozen=True)
class Resolved:
    """What will be installed of one package. `version` is None when it cannot be told.

    `floating` is True when the job does not pin it: a later run may get another version.
    """

    name: str
    version: str | None
    source: str
    floating: bool = False
    specifier: str = ""
    place: Place | None = None
    reason: str = ""


@dataclass(eq=False)
class ArgumentParser:
    """An argparse parser that reads the script's command line, with all its options known.

    `options` are the names and the keywords of `add_argument` that decide what it takes: action
    ("boolean" for BooleanOptionalAction), nargs, required, choices, and type as "int", "float",
    "str" or "" for a function of the script.
    """

    options: list[tuple[list[str], dict[str, Any]]]
    #: `parse_known_args`: words that it does not know are left over.
    known_only: bool = False
    abbreviations: bool = True
    place: Place | None = None


@dataclass(eq=False)
class Script:
    """Python that runs in the job (`role` "training") or that submits it ("submit")."""

    source: Source
    role: Literal["training", "submit", "helper", "notebook"] = "training"
    #: The command line that the job gives it.
    args: list[Value[str]] = field(default_factory=list)
    #: Why the text could not be parsed; "" when it could.
    broken: str = ""
    #: True when the command that starts it was read, so that `args` is its whole command line.
    launched: bool = False
    #: Filled by py_training.read_training. Environment variables that the code reads, and sets:
    env_read: dict[str, Place] = field(default_factory=dict)
    env_set: dict[str, Value[str]] = field(default_factory=dict)
    #: Top-level modules that it imports, and full names of what it calls ("huggingface_hub.login",
    #: "trl.SFTTrainer", "trl.SFTTrainer().train"), each with the places of the calls.
    imports: dict[str, Place] = field(default_factory=dict)
    calls: dict[str, list[Place]] = field(default_factory=dict)
    #: Parsers that read its command line for certain.
    parsers: list[ArgumentParser] = field(default_factory=list)
    #: Blocks that never run, because their condition is known to be false (`if False:`).
    dead: list[Place] = field(default_factory=list)

    @cached_property
    def tree(self) -> ast.Module | None:
        """The syntax tree, or None when the text is not Python that this interpreter reads."""
        import warnings

        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return ast.parse(self.source.text)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return None


@dataclass(frozen=True)
class Sample:
    """The first rows of a data file that lies beside the job. The rows never enter a report.

    `lines` are the line numbers of `rows`. `broken` is the first line that is not valid, with the
    reason. `whole` says whether the rows are all there are.
    """

    path: str
    rows: tuple[dict[str, Any], ...] = ()
    lines: tuple[int, ...] = ()
    columns: tuple[str, ...] = ()
    broken: tuple[int, str] | None = None
    whole: bool = True


@dataclass(eq=False)
class Dataset:
    """A data set that the job loads.

    `id` is a Hub id, a path, or a builder ("json", "csv", "disk" for load_from_disk) with its paths
    in `data_files`.
    """

    id: Value[str]
    split: Value[str] | None = None
    config: Value[str] | None = None
    data_files: Value[Any] | None = None
    place: Place | None = None
    revision: Value[str] | None = None
    #: The first rows of its file, when that lies beside the job.
    sample: Sample | None = None


@dataclass(frozen=True)
class SplitUse:
    """Something done with a DatasetDict, the dict of splits that load_dataset gives.

    `what` is "passed" (to the trainer as `name`), "item" (the split `name` is taken) or "call" (the
    method `name` is called on it). `splits` are its splits when they are known.
    """

    what: str
    name: str
    splits: tuple[str, ...] | None = None
    place: Place | None = None


@dataclass(frozen=True)
class RewardFunction:
    """A function of the script among `reward_funcs`, with the names of its parameters.

    `open` is True when it takes any keyword (**kwargs).
    """

    name: str
    parameters: tuple[str, ...]
    open: bool
    place: Place | None = None


@dataclass(eq=False)
class Training:
    """What the training code asks for, read from the script, the CLI arguments or their YAML.

    Keys of `arguments` are names of TrainingArguments/SFTConfig/DPOConfig/... fields (underscores).
    Defaults are not filled in: they depend on the version that will run.
    """

    #: "sft" | "dpo" | "grpo" | "reward" | "kto" | "trainer" | "other"
    method: str = "other"
    trainer: Value[str] | None = None
    #: "trl-cli" | "script" | "notebook"
    written_as: str = "script"
    model: Value[str] | None = None
    model_revision: Value[str] | None = None
    #: True when the trainer gets the id as a string (it then loads the model itself).
    model_as_string: bool = False
    #: Keywords of from_pretrained or of model_init_kwargs.
    model_kwargs: dict[str, Value[Any]] = field(default_factory=dict)
    tokenizer: Value[str] | None = None
    datasets: list[Dataset] = field(default_factory=list)
    split_uses: list[SplitUse] = field(default_factory=list)
    #: Where the data set is loaded whose columns reach the trainer unchanged; None when the code
    #: maps or filters them, or when it cannot be told.
    fed_by: Place | None = None
    #: Whether train_dataset is surely streamed: an IterableDataset has no length.
    streamed: bool = False
    #: What every return of formatting_func gives: "list", "text", "dict", "" when not known.
    formatting_returns: str = ""
    reward_functions: list[RewardFunction] = field(default_factory=list)
    arguments: dict[str, Value[Any]] = field(default_factory=dict)
    #: The config class that holds `arguments` ("SFTConfig", "TrainingArguments", ...).
    config_class: Value[str] | None = None
    #: Keywords given to the trainer itself (processing_class, data_collator, formatting_func, ...).
    trainer_kwargs: dict[str, Value[Any]] = field(default_factory=dict)
    #: Repositories named in `push_to_hub(...)`/`upload_folder(repo_id=...)` calls, and paths or
    #: buckets that the code saves or copies results to.
    pushes: list[Value[str]] = field(default_factory=list)
    saves: list[Value[str]] = field(default_factory=list)
    #: Keywords of BitsAndBytesConfig (or load_in_4bit=True), None when nothing is quantised.
    quantization: dict[str, Value[Any]] | None = None
    #: Keywords of LoraConfig, None when there is no adapter.
    lora: dict[str, Value[Any]] | None = None
    #: LoRA options of trl's ModelConfig that are given without its `use_peft`: they do nothing.
    lora_ignored: dict[str, Value[Any]] = field(default_factory=dict)
    kbit_prepared: Place | None = None
    packing: Value[bool] | None = None
    #: Other models and repositories that the code downloads (a judge, a reward model, an adapter).
    loads: list[Value[str]] = field(default_factory=list)
    #: Options of `accelerate launch` on a TRL command line (num_processes, config_file, ...).
    launch: dict[str, Value[Any]] = field(default_factory=dict)
    #: Why `arguments` may hold less than the job will use ("" when they are complete).
    open: str = ""
    #: Why parts could not be read, in words.
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Unread:
    """Something seen and not read, with the reason."""

    what: str
    reason: str
    place: Place | None = None
    #: The input claims to be a job and could not be read (a truncated YAML, a broken notebook).
    broken: bool = False


@dataclass(eq=False)
class Job:
    """The job that would run."""

    platform: Platform
    form: Form
    place: Place
    #: The source that holds the job's own text (spec, command), for ignores and edits.
    source: Source
    name: str = ""
    project: Value[str] | None = None
    region: Value[str] | None = None
    display_name: Value[str] | None = None
    #: Seconds.
    timeout: Value[int] | None = None
    #: STANDARD | SPOT | FLEX_START | ...
    strategy: Value[str] | None = None
    max_wait: Value[int] | None = None
    restart_on_worker_restart: Value[bool] | None = None
    service_account: Value[str] | None = None
    network: Value[str] | None = None
    base_output_dir: Value[str] | None = None
    staging_bucket: Value[str] | None = None
    labels: dict[str, Value[str]] = field(default_factory=dict)
    pools: list[WorkerPool] = field(default_factory=list)
    #: HF Jobs.
    flavor: Value[str] | None = None
    namespace: Value[str] | None = None
    secrets: dict[str, Value[str]] = field(default_factory=dict)
    volumes: list[Value[str]] = field(default_factory=list)
    #: Python that will run it, "3.11".
    python: Value[str] | None = None
    steps: list[Step] = field(default_factory=list)
    #: Commands of the submitting machine that stand beside the job (the shell script around it).
    submit_steps: list[Step] = field(default_factory=list)
    requirements: list[Requirement] = field(default_factory=list)
    #: Filled by ftdoctor.job.versions from requirements, image and --with.
    packages: dict[str, Resolved] = field(default_factory=dict)
    #: Where the packages come from and how much of it is known; filled with `packages`.
    environment: Environment | None = None
    #: This machine, when the job trains here; None elsewhere, or when nobody looked.
    machine: Machine | None = None
    scripts: list[Script] = field(default_factory=list)
    trainings: list[Training] = field(default_factory=list)
    #: Keys that are not part of the spec, with their key path: gcloud sends or drops them unread.
    unread_keys: list[tuple[str, Place]] = field(default_factory=list)
    unread: list[Unread] = field(default_factory=list)
    #: Every source that contributed (spec, script, requirements), for ignores and redaction.
    sources: list[Source] = field(default_factory=list)
    #: Anything that only one form has: gcloud flags as written, the tool-call style, ...
    extra: dict[str, Any] = field(default_factory=dict)

    @property
    def training(self) -> Training | None:
        """The training of this job: the first one, or None."""
        return self.trainings[0] if self.trainings else None

    @property
    def pool(self) -> WorkerPool | None:
        """The chief worker pool."""
        return self.pools[0] if self.pools else None

    def version(self, package: str) -> str | None:
        """Return the version of a package that will run, or None when it cannot be told."""
        resolved = self.packages.get(package.lower().replace("_", "-"))
        return resolved.version if resolved else None

"""`hf jobs run` and `hf jobs uv run`: the command line as a job on Hugging Face Jobs.

Options: huggingface_hub 2.4.0, huggingface_hub/cli/jobs.py. Its own options are taken wherever they
stand before a `--`, also behind the image or script; unknown ones are left to the command (run
with `--dry-run`: `hf jobs run IMAGE bash -lc CMD` takes `-l` as a label).
"""

from __future__ import annotations

import posixpath
import re
from typing import TYPE_CHECKING

from ftdoctor.job.model import Job, Unread, WorkerPool
from ftdoctor.job.shell_text import as_text
from ftdoctor.job.value import known, unknown

if TYPE_CHECKING:
    from ftdoctor.job.model import Step
    from ftdoctor.job.readenv import ReadEnv
    from ftdoctor.job.shell_text import ShellText
    from ftdoctor.job.source import Place, Source
    from ftdoctor.job.value import Value

_VALUES = frozenset(
    "--env --secrets --name --label --volume --env-file --secrets-file --flavor --timeout"
    " --attempts --expose --expose-public --network-group --network-alias --resource-group-id"
    " --namespace --token --format".split()
)
_UV_VALUES = _VALUES | {"--image", "--with", "--python", "--repo"}
_SHORT = {
    "-e": "--env",
    "-s": "--secrets",
    "-l": "--label",
    "-v": "--volume",
    "-d": "--detach",
    "-q": "--quiet",
    "-h": "--help",
}
_FLAGS = frozenset(("--detach", "--dry-run", "--ssh", "--json", "--quiet", "--help"))
_SCHEDULED_FLAGS = frozenset(("--suspend", "--no-suspend", "--concurrency", "--no-concurrency"))
_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}


def jobs_command(step: Step) -> tuple[str, list[Value[str]]] | None:
    """Return ("run" | "uv", words after it) of an `hf jobs` command, else None."""
    words = [as_text(value).body for value in step.argv[:9]]
    if not words:
        return None
    name = posixpath.basename(words[0])
    at = 1
    if name in ("uvx", "uv", "pipx"):
        # `uvx --from huggingface_hub hf jobs ...`, `uv run hf jobs ...`
        if "hf" not in words[1:7]:
            return None
        at = words.index("hf", 1) + 1
    elif name == "hfjobs":
        return (words[1], list(step.argv[2:])) if words[1:2] == ["run"] else None
    elif name not in ("hf", "huggingface-cli"):
        return None
    if words[at : at + 1] != ["jobs"]:
        return None
    rest = words[at + 1 :]
    skip = at + 1
    if rest[:1] == ["scheduled"]:
        rest, skip = rest[1:], skip + 1
    if rest[:1] == ["run"]:
        return "run", list(step.argv[skip + 1 :])
    if rest[:2] == ["uv", "run"]:
        return "uv", list(step.argv[skip + 2 :])
    return None


def read_step(step: Step, env: ReadEnv, source: Source) -> list[Job]:
    """Return the job that an `hf jobs` command submits; [] for any other command."""
    found = jobs_command(step)
    if found is None:
        return []
    kind, words = found
    scheduled = any(as_text(v).body == "scheduled" for v in step.argv[1:5])
    return [_Reader(kind, words, scheduled, step, env, source).job]


class _Reader:
    """One command being read into a job."""

    def __init__(
        self,
        kind: str,
        words: list[Value[str]],
        scheduled: bool,
        step: Step,
        env: ReadEnv,
        source: Source,
    ) -> None:
        self.kind = kind
        self.env = env
        self.pool = WorkerPool(place=step.place)
        self.job = Job("hf-jobs", "hf-jobs-cli", step.place, source, pools=[self.pool])
        self.job.sources.append(source)
        self.job.extra["command"] = "hf jobs uv run" if kind == "uv" else "hf jobs run"
        self.job.extra["uv"] = kind == "uv"
        self.with_: list[ShellText] = []
        rest = self._options([as_text(word) for word in words], scheduled)
        if scheduled and rest:
            rest = rest[1:]
        self._target(rest)

    def _options(self, words: list[ShellText], scheduled: bool) -> list[ShellText]:
        """Take the options of hf out of the words; the rest is image or script and command."""
        rest: list[ShellText] = []
        takes = _UV_VALUES if self.kind == "uv" else _VALUES
        at = 0
        while at < len(words):
            word = words[at]
            at += 1
            if word.body == "--":
                rest.extend(words[at:])
                break
            name, value, used = self._option(word, words[at] if at < len(words) else None, takes)
            if name is None:
                if scheduled and word.body in _SCHEDULED_FLAGS:
                    continue
                self._left(word, rest)
                continue
            at += used
            if rest:
                self.job.extra.setdefault("options_after_command", []).append(
                    (word.body, word.place)
                )
            if value is not None:
                self._take(name, value)
        return rest

    def _left(self, word: ShellText, rest: list[ShellText]) -> None:
        if not rest and word.body.startswith("-") and word.known:
            self.job.extra.setdefault("unknown_options", []).append(
                (word.body, word.place or self.job.place)
            )
        if not rest and not word.known and not word.body.strip():
            return
        rest.append(word)

    def _option(
        self, word: ShellText, following: ShellText | None, takes: frozenset[str]
    ) -> tuple[str | None, ShellText | None, int]:
        """Return (option, value, words used) when a word is an option of hf."""
        body = word.body
        if body.startswith("--"):
            name, equals, value = word.partition("=")
            if name.body in takes:
                return (name.body, value, 0) if equals else (name.body, following, 1)
            return (name.body, None, 0) if name.body in _FLAGS else (None, None, 0)
        if not body.startswith("-") or len(body) < 2:
            return None, None, 0
        long = _SHORT.get(body[:2]) or (
            "--python" if body[:2] == "-p" and self.kind == "uv" else ""
        )
        if not long:
            return None, None, 0
        if long in _FLAGS:
            return (long, None, 0) if len(body) == 2 else (None, None, 0)
        return (long, following, 1) if len(body) == 2 else (long, word.slice(2), 0)

    def _take(self, name: str, value: ShellText) -> None:
        job = self.job
        if name == "--flavor":
            job.flavor = value
        elif name == "--timeout":
            job.timeout = seconds(value)
        elif name == "--namespace":
            job.namespace = value
        elif name == "--env":
            self._variable(self.pool.env, value, secret=False)
        elif name == "--secrets":
            self._variable(job.secrets, value, secret=True)
        elif name in ("--env-file", "--secrets-file"):
            self._file(value, secret=name == "--secrets-file")
        elif name == "--volume":
            job.volumes.append(value)
        elif name == "--image":
            self.pool.image = value
        elif name == "--python":
            job.python = value
        elif name == "--name":
            job.display_name = value
        elif name == "--with":
            self.with_.append(value)
        elif name == "--label":
            key, _, text = value.partition("=")
            job.labels[key.body] = text
        elif name == "--token":
            job.extra["token"] = value

    def _variable(self, target: dict[str, Value[str]], word: ShellText, secret: bool) -> None:
        """`NAME=value` as written; a bare `NAME` takes its value from the submitting machine."""
        name, equals, value = word.partition("=")
        if not name.body or not name.known:
            reason = name.unknown or "the name of a variable is not known"
            if secret:
                self.job.extra.setdefault("secrets_open", reason)
            else:
                self.pool.env_open = reason
            return
        place = name.place or word.place
        if equals:
            target[name.body] = value
            if secret:
                self.job.extra.setdefault("secrets_in_clear", []).append((name.body, value.place))
        else:
            target[name.body] = _from_machine(name.body, place, secret)
        if place is not None:
            self.pool.env_places.setdefault(name.body, place)

    def _file(self, value: ShellText, secret: bool) -> None:
        path = value.value
        source = self.env.find(path) if path and path != "-" else None
        if source is None:
            reason = f"{value.body} is not among these files" if path else value.unknown
            if secret:
                self.job.extra["secrets_open"] = reason
            else:
                self.pool.env_open = reason
            return
        for name, text in env_file(source).items():
            (self.job.secrets if secret else self.pool.env)[name] = text

    def _target(self, rest: list[ShellText]) -> None:
        if not rest:
            reason = "no image" if self.kind == "run" else "no script"
            self.job.unread.append(Unread("command", reason, self.job.place))
            return
        if self.kind == "run":
            self.pool.image = rest[0]
            self.pool.command = list(rest[1:])
            self.job.extra["target"] = rest[0]
            if len(rest) == 1:
                self.job.unread.append(Unread("command", "no command is given", self.job.place))
                return
            from ftdoctor.job.container import attach_argv

            attach_argv(self.job, rest[1:], self.env, self._environment(), self.job.place)
            return
        self.job.extra["target"] = rest[0]
        self.job.extra["script"] = rest[0]
        self._uv(rest)

    def _environment(self) -> dict[str, Value[str]]:
        return {**self.pool.env, **self.job.secrets}

    def _uv(self, rest: list[ShellText]) -> None:
        """Read what `uv run [--with X] SCRIPT args` does in the job."""
        from ftdoctor.job.container import attach_argv

        words: list[Value[str]] = [known("uv", rest[0].place), known("run", rest[0].place)]
        for value in self.with_:
            words += [known("--with", value.place), value]
        attach_argv(self.job, [*words, *rest], self.env, self._environment(), self.job.place)
        self._header()

    def _header(self) -> None:
        """`[tool.hf-jobs]` in the header of the script; the command line wins."""
        header = self.job.extra.get("header")
        table = getattr(header, "hf_jobs", None)
        if not table:
            return
        apply_table(self.job, self.pool, table)


def apply_table(job: Job, pool: WorkerPool, table: dict[str, Value[object]]) -> None:
    """Fill what the command line leaves open from a script's `[tool.hf-jobs]` table."""
    given = {key: value for key, value in table.items() if value is not None}
    if job.flavor is None and "flavor" in given:
        job.flavor = as_text(given["flavor"])
    if job.timeout is None and "timeout" in given:
        job.timeout = seconds(as_text(given["timeout"]))
    if job.namespace is None and "namespace" in given:
        job.namespace = as_text(given["namespace"])
    if pool.image is None and "image" in given:
        pool.image = as_text(given["image"])
    if job.python is None and "python" in given:
        job.python = as_text(given["python"])
    for key, target in (("env", pool.env), ("secrets", job.secrets)):
        content = given[key].value if key in given else None
        place = given[key].place if key in given else None
        if isinstance(content, dict):
            for name, text in content.items():
                target.setdefault(str(name), known(str(text), place))
        elif isinstance(content, list):
            for name in content:
                bare, equals, text = str(name).partition("=")
                value = (
                    known(text, place) if equals else _from_machine(bare, place, key == "secrets")
                )
                target.setdefault(bare, value)
    volumes = given["volumes"].value if "volumes" in given else None
    if isinstance(volumes, list) and not job.volumes:
        job.volumes = [known(str(item), given["volumes"].place) for item in volumes]


def _from_machine(name: str, place: Place | None, secret: bool) -> Value[str]:
    what = "secret" if secret else "variable"
    return unknown(f"{what} {name} of the machine that submits", place, name)


def seconds(value: ShellText) -> Value[int]:
    """Return the seconds of a timeout such as `90`, `90m`, `1.5h`, `2d`."""
    text = value.value if value.known else None
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([smhd]?)\s*", text or "")
    if match:
        return known(int(float(match.group(1)) * _UNITS[match.group(2)]), value.place, value.body)
    if not value.known:
        return unknown(value.unknown, value.place, value.raw, value.default)
    return unknown(f"{value.body!r} is no duration such as 2h", value.place, value.body)


def env_file(source: Source) -> dict[str, Value[str]]:
    """Return the variables of a `.env` file: NAME=value lines, quotes taken off."""
    found: dict[str, Value[str]] = {}
    for number, line in enumerate(source.text.split("\n"), 1):
        match = re.match(r"\s*(?:export\s+)?([A-Za-z_]\w*)\s*=(.*)$", line)
        if not match:
            continue
        raw = match.group(2).strip()
        start = line.index(raw, match.start(2)) + 1 if raw else match.start(2) + 1
        place = source.place(number, start, number, start + len(raw))
        text = raw
        if len(raw) > 1 and raw[0] == raw[-1] and raw[0] in "\"'":
            text = raw[1:-1]
        else:
            text = re.split(r"\s#", raw)[0].rstrip()
        found[match.group(1)] = known(text, place, raw)
    return found

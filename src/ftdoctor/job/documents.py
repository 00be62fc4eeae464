"""Documents: the jobs that a README, a tutorial or a script's docstring shows.

The blocks of one document belong together: a variable exported in the first block is in force in
the fourth, and the YAML shown in one block is the `--config` of the command in another. A block
that is shown as a mistake, as output or as a difference is no job.
"""

from __future__ import annotations

import posixpath
import re
from typing import TYPE_CHECKING

from ftdoctor.job.document_links import link_scripts, listed_packages
from ftdoctor.job.fences import Fence, fences
from ftdoctor.job.shell_follow import Written
from ftdoctor.lazy import lazy

if TYPE_CHECKING:
    from ftdoctor.job.model import Job
    from ftdoctor.job.readenv import ReadEnv
    from ftdoctor.job.source import Source
    from ftdoctor.job.value import Value

_COMMAND = lazy(
    r"^(\s*(?:[#*>|!]+\s*)?(?:[-*]\s+|\d+\.\s+)?`?(?:\$\s+)?)"
    r"((?:[A-Z][A-Z0-9_]*=\S+\s+)*(?:uvx\s+(?:--\S+\s+\S+\s+)?)?(?:hf|huggingface-cli|hfjobs)\s+(?:jobs\s+)?(?:uv\s+)?run\s.*"
    r"|gcloud\s+(?:(?:alpha|beta)\s+)?ai\s+(?:custom-jobs|hp-tuning-jobs)\s+create\b.*)$"
)
_PYTHON_SUBMITS = lazy(
    r"aiplatform\.|CustomJob|CustomContainerTrainingJob|CustomPythonPackage|\brun_job\(|\brun_uv_job\("
    r"|hf_jobs\(|create_custom_job"
)
_WHOLE_TRAINING = lazy(r"# /// script")


def read(source: Source, env: ReadEnv) -> list[Job]:
    """Return the jobs that a document shows."""
    shown = fences(source)
    blocks = [fence for fence in shown if not fence.wrong]
    jobs = _commands(blocks, source, env)
    used = {id(job.source) for job in jobs}
    for fence in blocks:
        if fence.language == "yaml" and id(fence.source) not in used and not _on_disk(fence, env):
            jobs.extend(_yaml(fence, env))
    jobs.extend(_python(blocks, source, env))
    for fence in blocks:
        if fence.language in ("json", "powershell", "terraform"):
            jobs.extend(_other(fence, env))
    jobs = jobs or _prose(source, shown, env) or listed_packages(blocks, source, env)
    return link_scripts(jobs, env)


def _on_disk(fence: Fence, env: ReadEnv) -> bool:
    """Whether a block shows a file that is there: the file is read, not its picture."""
    return any(
        name.endswith((".yaml", ".yml", ".json")) and env.find(name) is not None
        for name in fence.names[:1]
    )


def _yaml(fence: Fence, env: ReadEnv) -> list[Job]:
    from ftdoctor.job import vertex_yaml
    from ftdoctor.job.yaml_values import BrokenYaml

    if not vertex_yaml.looks_like_spec(fence.source.text):
        return []
    try:
        return [job for job in vertex_yaml.read(fence.source, env) if job.pools]
    except BrokenYaml:
        # A sketch with "..." in it, not a file.
        return []


def _commands(blocks: list[Fence], source: Source, env: ReadEnv) -> list[Job]:
    """Read the shell blocks in order, one shell for all of them."""
    from ftdoctor.job.shell import read_script
    from ftdoctor.job.shell_jobs import local_job, submitted

    jobs: list[Job] = []
    written = _shown_files(blocks, env)
    variables: dict[str, Value[str]] = dict(env.variables)
    for fence in blocks:
        if fence.language != "shell":
            continue
        text = _without_prompts(fence.source)
        script = read_script(text, variables, where="submit")
        for path, entry in script.written.items():
            written[path] = entry
        script.written = {**_nearest(blocks, fence, written, env), **written}
        inner = env.inside()
        inner.written = {p: e.source for p, e in written.items() if e.source is not None}
        found = [job for step in script.steps for job in submitted(step, script, text, inner)]
        for job in found:
            job.submit_steps = list(script.steps)
            if all(item.path != source.path or not item.is_file for item in job.sources):
                job.sources.append(source)
        jobs.extend(found or local_job(script, text, inner, document=True))
        if script.end is not None:
            variables = dict(script.end.variables)
    return jobs


def _shown_files(blocks: list[Fence], env: ReadEnv) -> dict[str, Written]:
    """Return the files that blocks show, by the name that the document gives them."""
    shown: dict[str, Written] = {}
    for fence in blocks:
        for name in fence.names:
            suffix = posixpath.splitext(name)[1]
            fits = {
                "yaml": (".yaml", ".yml", ".tmpl", ".tpl"),
                "json": (".json",),
                "python": (".py",),
                "shell": (".sh",),
                "": (".txt",),
            }.get(fence.language, ())
            if suffix in fits and name not in shown and env.find(name) is None:
                shown[name] = Written(name, fence.source)
                break
    return shown


def _nearest(
    blocks: list[Fence], fence: Fence, written: dict[str, Written], env: ReadEnv
) -> dict[str, Written]:
    """Name the spec that a command means when the document does not name its blocks."""
    from ftdoctor.job.vertex_yaml import looks_like_spec

    specs = [b for b in blocks if b.language in ("yaml", "json") and looks_like_spec(b.source.text)]
    named = {id(entry.source) for entry in written.values()}
    nameless = [spec for spec in specs if id(spec.source) not in named]
    match = re.search(r"--config[= ]['\"]?([^\s'\"\\]+)", fence.source.text)
    if not match or any(
        posixpath.basename(p) == posixpath.basename(match.group(1)) for p in written
    ):
        return {}
    if env.find(match.group(1)) is not None:
        return {}
    before = [spec for spec in nameless if spec.line < fence.line]
    chosen = before[-1] if before else (nameless[0] if len(nameless) == 1 else None)
    if chosen is None:
        return {}
    return {match.group(1): Written(match.group(1), chosen.source)}


def _without_prompts(source: Source) -> Source:
    """Return a console block without its prompts and what the commands print."""
    lines = source.text.split("\n")
    if not any(re.match(r"\s*[$%] \S", line) for line in lines):
        return source
    texts: list[str] = []
    places: list[tuple[int, int]] = []
    open_ = False
    for number, line in enumerate(lines, 1):
        match = re.match(r"\s*[$%] ", line)
        if match or open_:
            cut = match.end() if match else 0
            cut = len(line) - len(line[cut:].removeprefix("> ")) if not match else cut
            texts.append(line[cut:])
            places.append((number, cut + 1))
            open_ = line.rstrip().endswith("\\")
    return source.fragment("\n".join(texts) + "\n", tuple(places), "")


def _python(blocks: list[Fence], source: Source, env: ReadEnv) -> list[Job]:
    """Read Python blocks: submitting code as one program, a whole uv script as itself."""
    from ftdoctor.job import py_job, py_submit

    jobs: list[Job] = []
    program: list[Fence] = []
    for fence in blocks:
        text = fence.source.text
        if fence.language != "python" and not re.match(r"\s*(?:\w+\s*=\s*)?hf_jobs\(", text):
            continue
        # Cells of a notebook, shown as code.
        for command in command_lines(fence.source):
            if fence.source.line_text(command_line(fence.source, command)).lstrip()[:1] == "!":
                jobs.extend(_launch(command, source, env))
        if _WHOLE_TRAINING.search(text):
            jobs.extend(py_job.script_job(fence.source, env))
        elif "hf_jobs(" in text or "run_uv_job(" in text or "run_job(" in text:
            jobs.extend(py_submit.read(fence.source, env))
        elif _PYTHON_SUBMITS.search(text) or _parses(text):
            program.append(fence)
    if any(_PYTHON_SUBMITS.search(fence.source.text) for fence in program):
        found = py_submit.read(_joined(program, source), env)
        for job in found:
            # Lines of prose among indented code are no fault of a script.
            for script in job.scripts:
                script.broken = "" if script.role == "submit" else script.broken
        jobs.extend(found)
    return jobs


def _parses(text: str) -> bool:
    import ast
    import warnings

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return True


def _joined(blocks: list[Fence], source: Source) -> Source:
    """Return several blocks of a document as one text."""
    if len(blocks) == 1:
        return blocks[0].source
    texts: list[str] = []
    places: list[tuple[int, int]] = []
    for fence in blocks:
        body = fence.source.text.rstrip("\n").split("\n")
        texts.extend(body)
        places.extend(fence.source.lines[: len(body)])
    # `lines` of a fence are in coordinates of the file; the document is the file.
    return source.fragment("\n".join(texts) + "\n", tuple(places), "")


def _other(fence: Fence, env: ReadEnv) -> list[Job]:
    from ftdoctor.job import vertex_yaml
    from ftdoctor.job.yaml_values import BrokenYaml

    if fence.language == "json":
        try:
            if vertex_yaml.looks_like_spec(fence.source.text):
                return vertex_yaml.read(fence.source, env)
            return read_call(fence.source, env)
        except BrokenYaml:
            return []
    if fence.language == "powershell":
        from ftdoctor.job import powershell

        return powershell.read(fence.source, env)
    from ftdoctor.job import terraform

    return terraform.read(fence.source, env)


def read_call(source: Source, env: ReadEnv) -> list[Job]:
    """Read the JSON of an `hf_jobs` tool call."""
    if not re.search(r'"(?:operation|script|flavor|hardware_flavor|command)"\s*:', source.text):
        return []
    from ftdoctor.job.py_hf import read_tool_json

    return read_tool_json(source, env)


def _prose(source: Source, shown: list[Fence], env: ReadEnv) -> list[Job]:
    """Read commands that stand in the text itself, outside of its blocks."""
    inside = {
        number
        for fence in shown
        for number in range(fence.line, fence.line + fence.source.text.count("\n"))
    }
    return [
        job
        for text in command_lines(source)
        if text.place(1).line not in inside
        for job in _launch(text, source, env)
    ]


def command_lines(source: Source) -> list[Source]:
    """Return the submitting commands of a text, comment signs and prompts taken off."""
    lines = source.text.split("\n")
    found: list[Source] = []
    at = 0
    while at < len(lines):
        match = _COMMAND.match(lines[at])
        if not match or (match.group(1).rstrip().endswith("`") and "`" not in match.group(2)):
            at += 1
            continue
        texts: list[str] = []
        places: list[tuple[int, int]] = []
        cut = match.end(1)
        closes = match.group(1).rstrip().endswith("`")
        while at < len(lines):
            line = lines[at]
            skip = cut if not texts else len(line) - len(re.sub(r"^\s*(?:#+|\*|>)?\s?", "", line))
            body = line[skip:]
            texts.append(body.split("`")[0] if closes else body)
            places.append((at + 1, skip + 1))
            at += 1
            if not re.search(r"\\\s*$", line):
                break
        found.append(source.fragment("\n".join(texts) + "\n", tuple(places), ""))
    return found


def command_line(block: Source, command: Source) -> int:
    """Return the line of a block in which a command that was found in it begins."""
    return command.place(1).line - block.place(1).line + 1


def _launch(text: Source, source: Source, env: ReadEnv) -> list[Job]:
    from ftdoctor.job.shell import read_script
    from ftdoctor.job.shell_jobs import submitted

    script = read_script(text, dict(env.variables), where="submit")
    jobs = [job for step in script.steps for job in submitted(step, script, text, env)]
    for job in jobs:
        job.sources.append(source)
    return jobs


def docstring_jobs(source: Source, env: ReadEnv) -> list[Job]:
    """Return the launches that a script's docstring or comments show, when they launch it.

    A launch of another script, or one whose options are all placeholders, is not this script's.
    """
    name = posixpath.basename(source.path)
    env.state["self"] = source
    jobs: list[Job] = []
    for text in command_lines(source):
        if name not in text.text:
            continue
        for job in _launch(text, source, env):
            if any(script.source.path == source.path for script in job.scripts):
                jobs.append(job)
    env.state.pop("self", None)
    return jobs

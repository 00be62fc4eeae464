"""Notebooks: code cells in order, the commands among them, the files they write.

What a notebook may hold: a training that runs in it, jobs that it submits (Python or commands), or
both. A finding's place is the line of the .ipynb file; its context is "cell N".
"""

from __future__ import annotations

import ast
import warnings
from typing import TYPE_CHECKING, Any

from ftdoctor.job.model import Job, Script, Unread
from ftdoctor.job.notebook_cells import BrokenNotebook, Cells, read_cells
from ftdoctor.job.notebook_magics import COMMAND, ENVIRONMENT, FORM, split
from ftdoctor.job.py_abstract import Abstract, Const, Obj, Ref, Unk
from ftdoctor.job.py_run import Run
from ftdoctor.job.py_training import trainings_of, trains
from ftdoctor.job.py_values import text
from ftdoctor.job.source import Source

if TYPE_CHECKING:
    from ftdoctor.job.model import Platform
    from ftdoctor.job.notebook_cells import Cell
    from ftdoctor.job.notebook_magics import Command, Split
    from ftdoctor.job.readenv import ReadEnv
    from ftdoctor.job.value import Value

__all__ = ["BrokenNotebook", "read"]


def read(source: Source, env: ReadEnv) -> list[Job]:
    """Return the jobs of a notebook: those it submits, and the training that runs in it.

    Raises BrokenNotebook when the file is no notebook.
    """
    return _Notebook(source, env, read_cells(source)).jobs()


class _Notebook:
    """A notebook being read."""

    def __init__(self, source: Source, env: ReadEnv, cells: Cells):
        self.source = source
        self.env = env
        self.cells = cells
        self.unread: list[Unread] = []
        self.commands: list[tuple[Cell, Command]] = []
        self.python: list[Source] = []
        self.run = Run(env, None, None, "the machine that runs the notebook")
        self.run.module.cells[ENVIRONMENT] = Ref("os.environ")
        self.run.module.cells[COMMAND] = Ref(COMMAND)
        self.run.module.cells[FORM] = Unk("it is filled in when the notebook is run")

    def jobs(self) -> list[Job]:
        from ftdoctor.job.py_submit import jobs_of

        joined = "\n".join(cell.source.text for cell in self.cells.cells)
        self.colab = "google.colab" in joined or isinstance(self.cells.metadata.get("colab"), dict)
        self.run.colab = self.colab and "kaggle" not in self.cells.metadata
        for cell in self.cells.cells:
            self._cell(cell)
        self.run.rest()
        jobs = jobs_of(self.run, self.source, self.env)
        own = Job(self._platform(), "notebook", self.source.place(1), self.source)
        jobs += self._commands(own)
        self._training(own)
        if any(trains(training) for training in own.trainings):
            jobs.insert(0, own)
        for job in jobs:
            job.extra.setdefault("installed_in_outputs", self.cells.installed)
            self._hints(job)
            job.unread.extend(self.unread)
            if self.source not in job.sources:
                job.sources.append(self.source)
        return jobs

    # Cells

    def _cell(self, cell: Cell) -> None:
        parts = split(cell.source)
        if parts.writes:
            self._write(cell, parts)
            return
        if parts.skipped:
            return
        first = len(self.commands)
        self.commands += [(cell, command) for command in parts.commands]
        tree = _parse(parts.python)
        if tree is None:
            tree = self._rescued(cell, parts)
        if tree is None:
            return
        if first:
            _renumber(tree, first)
        inner = Source(
            cell.source.path, parts.python, cell.source.lines, cell.source.context, True,
            self.source.text, True,
        )  # fmt: skip
        self.python.append(inner)
        self.run.file(inner, tree)

    def _rescued(self, cell: Cell, parts: Split) -> ast.Module | None:
        """Note a cell that is no Python; its commands still count, as plain lines."""
        place = cell.source.place(1)
        self.unread.append(Unread(f"cell {cell.number}", "its code could not be parsed", place))
        calls = "\n".join(
            f"{COMMAND}({index})" for index, command in enumerate(parts.commands) if command
        )
        return _parse(calls) if calls else None

    def _write(self, cell: Cell, parts: Split) -> None:
        """`%%writefile NAME`: later cells find that file."""
        count = cell.source.text.count("\n") + 1
        if parts.body_from > count:
            return
        body = cell.source.block(parts.body_from, count, parts.writes)
        kept = self.env.written.get(parts.writes)
        if parts.appends and kept is not None:
            both = kept.text.rstrip("\n") + "\n" + body.text
            lines = (kept.lines or ((1, 1),))[: kept.text.rstrip("\n").count("\n") + 1]
            spots = lines + body.lines
            body = Source(body.path, both, spots, body.context, True, body.whole, True)
        self.env.written[parts.writes] = body

    # Commands

    def _commands(self, own: Job) -> list[Job]:
        """Read the commands that were met: jobs they submit, and what they do in the notebook."""
        from ftdoctor.job.shell_jobs import submitted

        found: list[Job] = []
        for call in self.run.calls:
            number = call.args[0] if call.callee == COMMAND and call.args else None
            if not isinstance(number, Const) or call.fallback:
                continue
            if not isinstance(number.value, int) or number.value >= len(self.commands):
                continue
            cell, command = self.commands[number.value]
            shell, script = self._shell(cell, command, call)
            if call.condition:
                for step in script.steps:
                    step.inside = ("if", *step.inside)
            jobs = [
                job for step in script.steps for job in submitted(step, script, shell, self.env)
            ]
            for job in jobs:
                job.submit_steps = list(script.steps)
                job.extra.setdefault("notebook", True)
            found += jobs
            if not jobs:
                self._own_steps(own, script.steps, script.written)
        return found

    def _shell(self, cell: Cell, command: Command, call: Obj) -> tuple[Source, Any]:
        from ftdoctor.job.shell import read_script

        block = cell.source.block(command.first, min(command.last, len(cell.source.lines)), "")
        # The text begins behind the sign of the command.
        ahead = cell.source.line_text(command.first).find(command.text.split("\n")[0])
        start = cell.source.place(command.first, max(0, ahead) + 1)
        lines = ((start.line, start.column), *block.lines[1:])
        shell = Source(
            block.path, command.text, lines, cell.source.context, True, self.source.text, True
        )
        variables: dict[str, Value[str]] = {}
        for name, item in {**_environment(self.run), **call.kwargs}.items():
            if isinstance(item, Ref) and not item.imported:
                continue
            variables[name] = text(item)
        return shell, read_script(shell, variables, where="notebook")

    def _own_steps(self, own: Job, steps: list[Any], written: dict[str, Any]) -> None:
        from ftdoctor.job.steps import run_steps

        for path, entry in written.items():
            if getattr(entry, "source", None) is not None:
                self.env.written[path] = entry.source
        run_steps(own, steps, self.env)

    # The training that runs in the notebook

    def _training(self, own: Job) -> None:
        whole = Source(
            self.source.path,
            "\n".join(part.text for part in self.python),
            tuple(line for part in self.python for line in part.lines[: part.text.count("\n") + 1]),
            "",
            True,
            self.source.text,
            True,
        )
        script = Script(whole, "notebook")
        found = trainings_of(self.run, script, "notebook")
        own.scripts.insert(0, script)
        submits = any(call.name in ("CustomJob", "run_uv_job") for call in self.run.calls)
        if found and not (submits and all(t.method == "other" for t in found)):
            own.trainings[:0] = found
            own.trainings.sort(key=lambda training: not trains(training))
            first = found[0].trainer or found[0].model
            if first is not None and first.place is not None:
                own.place = first.place
        elif own.trainings:
            step = own.steps[-1] if own.steps else None
            own.place = step.place if step is not None else own.place
        if self.run.stopped:
            own.unread.append(Unread("notebook", self.run.stopped, own.place))

    # Where it runs

    def _platform(self) -> Platform:
        return "colab" if self.run.colab else "local"

    def _hints(self, job: Job) -> None:
        metadata = self.cells.metadata
        colab = metadata.get("colab")
        if isinstance(colab, dict) and isinstance(colab.get("gpuType"), str):
            job.extra["colab_gpu"] = colab["gpuType"]
        if isinstance(metadata.get("kaggle"), dict):
            job.extra["kaggle"] = True
        environment = metadata.get("environment")
        if isinstance(environment, dict) and isinstance(environment.get("uri"), str):
            # Vertex AI Workbench writes the image of its kernel here.
            job.extra["workbench_image"] = environment["uri"]
        joined = "\n".join(part.text for part in self.python)
        if "colab_enterprise" in joined or "Colab Enterprise" in joined:
            job.extra["colab_enterprise"] = True


def _environment(run: Run) -> dict[str, Abstract]:
    return {str(k): v for k, v in run.env_set.items() if isinstance(v, Abstract)}


def _parse(code: str) -> ast.Module | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            # Cells may use `await` at top level.
            return ast.parse(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _renumber(tree: ast.Module, first: int) -> None:
    """Count the commands of a cell from the first command of the notebook on."""
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and node.func.id == COMMAND
            and node.args
            and isinstance(node.args[0], ast.Constant)
            and isinstance(node.args[0].value, int)
        ):
            node.args[0].value += first

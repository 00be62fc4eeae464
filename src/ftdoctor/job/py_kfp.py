"""Components of Kubeflow pipelines, written as Python functions.

https://kubeflow-pipelines.readthedocs.io/en/stable/source/dsl.html
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftdoctor.job.py_abstract import Abstract, Func, Obj, Ref, Seq, text_of

if TYPE_CHECKING:
    from ftdoctor.job.model import Job, WorkerPool
    from ftdoctor.job.py_run import Run
    from ftdoctor.job.source import Source

#: Callee of the task that a call of a component gives, before its name.
TASK = "kfp.task:"


def component(func: Func) -> Abstract | None:
    """Return the `@component` decorator of a function, None when it has none."""
    for decorator in func.decorators:
        name = decorator.callee if isinstance(decorator, Obj) else ""
        name = decorator.name if isinstance(decorator, Ref) else name
        root, last = name.split(".")[0], name.rsplit(".", 1)[-1]
        if last == "component" and root in ("kfp", "dsl", "component"):
            return decorator
    return None


def component_jobs(run: Run, source: Source, known: list[str]) -> list[Job]:
    """Return a job for each component that trains and is not part of another job (`known`)."""
    from ftdoctor.job.model import Job, Unread, WorkerPool
    from ftdoctor.job.py_values import place_of

    found: list[Job] = []
    for func in run.functions:
        name = getattr(func.node, "name", "")
        if not func.decorators or component(func) is None or name in known:
            continue
        place = place_of(func) or source.place(1)
        job = Job("vertex", "kfp", place, source, name=name)
        job.sources.append(source)
        pool = WorkerPool(place=place)
        job.pools.append(pool)
        fill(job, pool, func, run)
        if job.trainings:
            job.unread.append(Unread("pipeline", "its other steps are not read", place))
            found.append(job)
    return found


def fill(job: Job, pool: WorkerPool, func: Func, run: Run) -> None:
    """Read a component into a job: what it installs, what it trains, what its task asks for."""
    from ftdoctor.job.model import Script
    from ftdoctor.job.py_training import trainings_of, trains
    from ftdoctor.job.py_values import place_of, text
    from ftdoctor.job.requirements import parse_requirement

    name = getattr(func.node, "name", "")
    job.extra["component"] = name
    decorator = component(func)
    if isinstance(decorator, Obj):
        image = decorator.arg("base_image")
        if image is not None and pool.image is None:
            pool.image = text(image)
        packages = decorator.arg("packages_to_install")
        for item in packages.items if isinstance(packages, Seq) else ():
            wanted = text_of(item)
            requirement = parse_requirement(wanted, "step", place_of(item)) if wanted else None
            if requirement is not None:
                job.requirements.append(requirement)
    _tasks(pool, name, run)
    inner = [call for call in run.calls if call.func == name]
    calls, run.calls = run.calls, inner
    try:
        script = Script(func.source, "training")
        found = trainings_of(run, script)
    finally:
        run.calls = calls
    job.trainings.extend(training for training in found if trains(training) or inner)


def _tasks(pool: WorkerPool, name: str, run: Run) -> None:
    """Read `task.set_accelerator_type(...)` and its kin."""
    from ftdoctor.job.py_values import number, text

    for call in run.calls:
        if not call.args or not _of_task(call, name):
            continue
        first = call.args[0]
        if call.name == "set_accelerator_type":
            pool.accelerator_type = text(first)
        elif call.name in ("set_gpu_limit", "set_accelerator_limit"):
            pool.accelerator_count = number(first)
        elif call.name == "add_node_selector_constraint":
            pool.accelerator_type = text(call.args[-1])
        elif call.name == "set_env_variable" and len(call.args) > 1:
            variable = text_of(first)
            if variable is not None:
                pool.env[variable] = text(call.args[1])


def _of_task(call: Obj, name: str) -> bool:
    receiver: Abstract | None = call.receiver
    for _ in range(12):
        if not isinstance(receiver, Obj):
            return False
        if receiver.callee == TASK + name:
            return True
        receiver = receiver.receiver
    return False

"""How a Vertex AI job runs: image, schedule, account, network, environment."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ftdoctor.checks.about import code, env_place, env_texts, environments
from ftdoctor.job.value import get
from ftdoctor.lazy import lazy
from ftdoctor.rulebook.model import Edit, Hit, TextEdit

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftdoctor.checks.context import Context

_WEEK = 7 * 86400


def image_ended(context: Context, **_: object) -> Iterator[Hit]:
    """An image that its publisher no longer offers or supports."""
    from ftdoctor.job.images import read_image

    job = context.job
    seen: set[str] = set()
    for pool in job.pools:
        name = get(pool.image)
        if not name or name in seen or "${" in name:
            continue
        seen.add(name)
        ended = read_image(name).ended
        if not ended and re.search(r"vertex-ai/training/pytorch-[a-z]+\.1-", name):
            ended = "2025-03-15"  # the day of 2-0, the oldest that is listed
        if ended and ended <= context.now.date().isoformat():
            values = {"image": name.rsplit("/", 1)[-1], "ended": ended}
            yield Hit(pool.image.place if pool.image else pool.place, values, values)


def home_of_another_user(context: Context, **_: object) -> Iterator[Hit]:
    """HF_HOME in /root while the image runs as another user."""
    from ftdoctor.job.images import read_image

    job = context.job
    for index, name, text in env_texts(job):
        if name not in (
            "HF_HOME",
            "HF_HUB_CACHE",
            "HUGGINGFACE_HUB_CACHE",
            "TRANSFORMERS_CACHE",
            "HF_DATASETS_CACHE",
        ) or not text.startswith("/root"):
            continue
        image = read_image(get(job.pools[index].image) or "") if index < len(job.pools) else None
        if image is None or not image.user or image.user == "root":
            continue
        place = env_place(job, index, name)
        right = text.replace("/root", image.home, 1)
        edits = {}
        if place is not None and place.end_line:
            edits["replace"] = Edit(f"Write {right}", (TextEdit(place, f"\0{right}\0"),))
        values = {"name": name, "path": text, "user": image.user, "right": right}
        yield Hit(place, values, values, edits)


def no_timeout(context: Context, **_: object) -> Iterator[Hit]:
    """No timeout: a hung job is paid for seven days."""
    job = context.job
    if job.timeout is None and job.pools and not job.extra.get("persistentResourceId"):
        gpus = any(pool.accelerator_type is not None for pool in job.pools)
        if gpus and job.form in ("vertex-yaml", "vertex-python", "vertex-json"):
            yield Hit(job.place, {}, {"default": "604800s"})


def spot_without_checkpoint(context: Context, **_: object) -> Iterator[Hit]:
    """A SPOT job that keeps nothing to continue from when the machine is taken away."""
    job = context.job
    if get(job.strategy) != "SPOT":
        return
    place = job.strategy.place if job.strategy else job.place
    for training in job.trainings:
        value = training.arguments.get("save_strategy")
        if value is not None and str(get(value)).rsplit(".", 1)[-1].lower() in ("no", "false"):
            yield Hit(
                value.place or place,
                {"why": "save_strategy is 'no', so no checkpoint is written"},
                {"save_strategy": "no"},
                severity="warning",
                summary="A SPOT job with nothing to continue from: {why}.",
            )
            return
        saved = training.arguments.get("output_dir")
        folder = get(saved)
        if (
            isinstance(folder, str)
            and saved is not None
            and not re.match(r"/gcs/|/mnt/|gs://", folder)
            and not re.search(r"\$|AIP_|\{", folder)
        ):
            if (
                get(training.arguments.get("push_to_hub")) is True
                or training.pushes
                or training.saves
                or "callback" in code(job).lower()
            ):
                continue
            yield Hit(
                saved.place or place,
                {"why": f"checkpoints go to {folder}, a disk that is lost with the machine"},
                {"output_dir": folder},
                severity="warning",
                summary="A SPOT job with nothing to continue from: {why}.",
            )
            return


#: GPUs that FLEX_START takes. https://cloud.google.com/vertex-ai/docs/training/schedule-jobs-dws
_FLEX = (
    "NVIDIA_L4",
    "NVIDIA_TESLA_A100",
    "NVIDIA_A100_80GB",
    "NVIDIA_H100_80GB",
    "NVIDIA_H100_MEGA_80GB",
    "NVIDIA_H200_141GB",
    "NVIDIA_B200",
)


def flex_start(context: Context, **_: object) -> Iterator[Hit]:
    """FLEX_START with a GPU, a timeout or pools that it does not take."""
    job = context.job
    if get(job.strategy) != "FLEX_START":
        return
    place = job.strategy.place if job.strategy else job.place
    limit = get(job.timeout)
    if limit is not None and limit > _WEEK:
        yield Hit(
            job.timeout.place if job.timeout else place,
            {"wrong": "the timeout is over seven days"},
            {"timeout": limit},
        )
    for pool in job.pools:
        kind = get(pool.accelerator_type)
        if kind and kind.startswith("NVIDIA_TESLA_") and kind not in _FLEX:
            yield Hit(
                pool.accelerator_type.place if pool.accelerator_type else place,
                {"wrong": f"{kind} cannot be had this way"},
                {"accelerator": kind},
            )
    machines = {get(pool.machine_type) for pool in job.pools if pool.machine_type}
    if len(machines) > 1 and None not in machines:
        yield Hit(
            place,
            {"wrong": "the worker pools have different machines"},
            {"machines": sorted(str(m) for m in machines)},
        )


def wait_without_flex(context: Context, **_: object) -> Iterator[Hit]:
    """maxWaitDuration with a strategy that ignores it."""
    job = context.job
    if (
        job.max_wait is not None
        and (job.strategy is None or get(job.strategy) == "STANDARD")
        and job.max_wait.known
    ):
        yield Hit(
            job.max_wait.place or job.place, {"strategy": get(job.strategy) or "STANDARD"}, {}
        )


_GOOGLE_CALLS = {
    "aiplatform": r"\baiplatform\.(?:init|Model|Endpoint|start_run|log_|Tensorboard|Experiment)",
    "Secret Manager": r"SecretManagerServiceClient\s*\(",
    "BigQuery": r"\bbigquery\.Client\s*\(",
    "Pub/Sub": r"\bpubsub_v1\.",
}


def default_agent(context: Context, **_: object) -> Iterator[Hit]:
    """The code calls Google services that the default service agent may not reach."""
    job = context.job
    if "google.api" in context.facts:
        from ftdoctor.checks.live_google_login import scopes

        yield from scopes(context)
    if job.platform != "vertex" or job.service_account is not None or job.form == "tuning":
        return
    if job.extra.get("service_account_open") or job.extra.get("persistentResourceId"):
        return
    for script in job.scripts:
        if script.role == "submit" or script.source.path == job.source.path:
            continue
        for what, pattern in _GOOGLE_CALLS.items():
            match = re.search(rf"^[^#\n]*?({pattern})", script.source.text, re.M)
            if match:
                place = script.source.span(match.start(1), match.end(1))
                yield Hit(
                    place,
                    {"service": what},
                    {"call": match[1]},
                    severity="warning",
                    summary="{service} is called, which the default service agent may not reach.",
                )
                return


def peered_network(context: Context, **_: object) -> Iterator[Hit]:
    """A perimeter refuses the calls from here, or a job in a VPC downloads from the Hub."""
    job = context.job
    if "google.api" in context.facts:
        from ftdoctor.checks.live_google import perimeter

        yield from perimeter(context)
    if job.network is None or not job.trainings:
        return
    model = next(
        (
            m
            for t in job.trainings
            if isinstance(m := get(t.model), str) and re.fullmatch(r"[\w.-]+/[\w.-]+", m)
        ),
        "",
    )
    if model and not any(
        name in env
        for env in environments(job)
        for name in ("HF_HUB_OFFLINE", "HF_ENDPOINT", "HTTPS_PROXY", "https_proxy")
    ):
        yield Hit(
            job.network.place or job.place,
            {"model": model},
            {"network": job.network.raw or job.network.value},
            severity="note",
            summary="A perimeter of the peered network may block the download of {model}.",
        )


_VARIABLE = lazy(r"(?<![\\$])\$(?:\{[A-Za-z_]\w*\}|[A-Za-z_]\w*)")


def variable_not_expanded(context: Context, **_: object) -> Iterator[Hit]:
    """`$NAME` in env or in arguments that no shell reads: it reaches the program as it stands."""
    from ftdoctor.checks.token_uses import family

    job = context.job
    if job.form not in ("vertex-yaml", "vertex-json", "vertex-python"):
        return
    if job.extra.get("filled_by"):
        return
    for index, name, text in env_texts(job):
        unset = re.search(r"(?<!\$)\$\(([A-Z_][A-Z0-9_]*)\)", text)
        if unset and unset[1] not in environments(job)[index] and not unset[1].startswith("AIP_"):
            place = f"the environment variable {name}"
            values = {"where": place, "text": unset[0], "right": "a value, or define it in env"}
            yield Hit(env_place(job, index, name), values, {"name": name, "value": text})
    for index, name, text in env_texts(job):
        match = _VARIABLE.search(text)
        if (
            match
            and not family(name)
            and not re.search(r"\s(?:&&|;|\|)|\n", text)
            and name not in ("PATH", "LD_LIBRARY_PATH", "PYTHONPATH", "CMD", "COMMAND")
        ):
            values = {
                "where": f"the environment variable {name}",
                "text": match[0],
                "right": f"$({match[0].strip('${}')})",
            }
            yield Hit(
                env_place(job, index, name),
                values,
                {"name": name, "value": text},
                severity="warning",
            )
    for pool in job.pools:
        first = get(pool.command[0]) if pool.command else None
        if not first or re.search(r"(?:^|/)(?:ba|z|da|k)?sh\Z", first) or "env" in first:
            continue
        known = [get(v) or "" for v in pool.command]
        if any(re.search(r"\b(?:ba|z|da)?sh\b.*-\w*c|envsubst|eval", word) for word in known):
            continue
        for value in pool.args:
            given = get(value) or ""
            match = _VARIABLE.search(given)
            if match and "\n" not in given:
                values = {
                    "where": "an argument",
                    "text": match[0],
                    "right": f"$({match[0].strip('${}')})",
                }
                yield Hit(value.place or pool.place, values, {"argument": given})
                return


def staging_bucket(context: Context, **_: object) -> Iterator[Hit]:
    """The SDK raises RuntimeError when neither init() nor the job names a staging bucket."""
    job = context.job
    if job.form != "vertex-python" or job.staging_bucket is not None:
        return
    text = job.source.whole or job.source.text
    if "staging_bucket" in text or not re.search(
        r"\b(?:CustomJob|CustomContainerTrainingJob|CustomPythonPackageTrainingJob|CustomTrainingJob)\b",
        text,
    ):
        return
    if re.search(
        r"aiplatform\.init\(\s*\*\*|JobServiceClient|from_local_script\([^)]*\*\*|HyperparameterTuningJob|import\s+\w*(?:config|settings|init)",
        text,
    ):
        return
    yield Hit(job.place, {}, {})


def aip_without_base(context: Context, **_: object) -> Iterator[Hit]:
    """The code needs AIP_MODEL_DIR and the job sets no baseOutputDirectory, so it is not there."""
    job = context.job
    if (
        job.form not in ("vertex-yaml", "vertex-gcloud", "vertex-json")
        or job.base_output_dir is not None
    ):
        return
    if any(name.startswith("AIP_") for env in environments(job) for name in env):
        return
    for script in job.scripts:
        if script.role == "submit":
            continue
        match = re.search(
            r"environ\s*\[\s*[\"'](AIP_(?:MODEL_DIR|CHECKPOINT_DIR|TENSORBOARD_LOG_DIR))[\"']\s*\](?!\s*=[^=])",
            script.source.text,
        )
        if (
            match
            and f'"{match[1]}" in os.environ' not in script.source.text
            and f"'{match[1]}' in os.environ" not in script.source.text
        ):
            yield Hit(
                script.source.span(match.start(), match.end()),
                {"name": match[1]},
                {"name": match[1]},
            )
            return

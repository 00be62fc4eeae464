"""What is known of the chat templates of models, before the tokenizer is there to be asked."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ftdoctor.checks.data_splits import in_branch
from ftdoctor.job.value import get
from ftdoctor.lazy import lazy
from ftdoctor.rulebook.model import Hit

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ftdoctor.checks.context import Context

#: Gemma 1, 1.1 and 2 and CodeGemma: their template raises "System role not supported"
#: (chat_template in tokenizer_config.json of google/gemma-2-2b-it). Gemma 3 and later take it.
_NO_SYSTEM = lazy(
    r"(?:google|unsloth)/(?:code)?gemma-(?:1\.1-)?[27]b-it.*"
    r"|(?:google|unsloth)/gemma-2-(?:2b|9b|27b)-it.*",
    re.I,
)
_SYSTEM = lazy(r"""["']role["']\s*:\s*["']system["']""")
_OTHER_TEMPLATE = lazy(
    r"chat_template\s*=|chat_template_path|setup_chat_format|clone_chat_template"
    r"|get_chat_template|\.jinja|standardize"
)
#: Code that takes the system turn away again, or puts it into another.
_TAKES_AWAY = lazy(r"""[!=]=\s*["']system["']|merge_system|replace\(\s*["']system|pop\(0\)""")


def no_system_role(context: Context, **_: object) -> Iterator[Hit]:
    """The script writes system turns for a model whose template refuses them."""
    job = context.job
    models = {get(t.model) or "" for t in job.trainings}
    names = [m for m in models if _NO_SYSTEM.fullmatch(m)]
    if not names or len(models) != 1:
        return
    for script in job.scripts:
        text = script.source.text
        if script.role == "submit" or _OTHER_TEMPLATE.search(text) or _TAKES_AWAY.search(text):
            continue
        if "apply_chat_template" not in text and "messages" not in text:
            continue
        for match in _SYSTEM.finditer(text):
            start = text.rfind("\n", 0, match.start()) + 1
            place = script.source.span(match.start(), match.end())
            if "#" not in text[start : match.start()] and not in_branch(job, place):
                yield Hit(
                    place,
                    {"model": names[0]},
                    {"model": names[0]},
                    summary="The chat template of {model} refuses the system turns of this script.",
                )
                return

"""Keys that are handed on: `from_pretrained`, `model_init_kwargs`, `BitsAndBytesConfig`.

`from_pretrained` takes `**kwargs`, reads the keys that it knows and hands the rest to the model
class, which refuses them: `XForCausalLM.__init__() got an unexpected keyword argument`. A key that
some release read and the running one does not is therefore an error; a key that no release ever
read may be meant for the model's configuration and is left alone.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from ftdoctor.api.entries import Entry, entries_of, removals, written
from ftdoctor.api.fixes import checked, new_import
from ftdoctor.api.model import ApiEdit, ApiFinding, Change

if TYPE_CHECKING:
    from ftdoctor.api.exports import History
    from ftdoctor.api.lint import Script

_LOADER = "transformers.PreTrainedModel.from_pretrained"
_BNB = "transformers.BitsAndBytesConfig"
#: Read and thrown away without a word by transformers >= 5.0 (modeling_utils.py:4171 of 5.23.0).
_SWALLOWED = {
    "mirror",
    "_fast_init",
    "low_cpu_mem_usage",
    "from_tf",
    "from_flax",
    "offload_state_dict",
}
#: Classes whose `from_pretrained` ends in a model's constructor.
_MODEL_SUFFIXES = ("Model", "LMHeadModel", "PreTrainedModel")
_CHECKPOINT_KEYS = {
    "use_reentrant",
    "preserve_rng_state",
    "context_fn",
    "determinism_check",
    "debug",
    "early_stop",
}
#: Arguments that are handed to a model's `from_pretrained`.
MODEL_KWARGS = {"model_init_kwargs", "ref_model_init_kwargs", "teacher_model_init_kwargs"}


def is_model_class(name: str) -> bool:
    """Whether a class of transformers is a model, by its name."""
    if name.startswith("AutoModel"):
        return True
    if name.startswith("Auto"):
        return False
    return ("For" in name[1:] and name.split("For")[-1][:1].isupper()) or name.endswith(
        _MODEL_SUFFIXES
    )


def check_nested(script: Script, call: ast.Call, path: str) -> None:
    """Check the dicts that a config or trainer hands on, and BitsAndBytesConfig itself."""
    for keyword in call.keywords:
        if keyword.arg in MODEL_KWARGS:
            container = _container(script, keyword.value)
            if container is not None:
                _check_loader(script, call, container, f"{keyword.arg} of {path}")
        elif keyword.arg == "gradient_checkpointing_kwargs":
            _check_checkpointing(script, keyword.value, path)
    if path == _BNB:
        _check_bnb(script, call)


def check_loaders(script: Script) -> None:
    """Check every `Model.from_pretrained(...)`."""
    for call in script.tree.calls:
        function = call.func
        if not isinstance(function, ast.Attribute) or function.attr != "from_pretrained":
            continue
        if _loads_model(script, function.value) and not script.guards.dead(call):
            _check_loader(script, call, call, script.text.of(function))


def _loads_model(script: Script, node: ast.expr) -> bool:
    if isinstance(node, ast.Name):
        bindings, _ = script.tree.lookup(node.id, script.tree.scopes[node])
        return bool(bindings) and all(
            binding.kind == "name"
            and binding.module.split(".")[0] == "transformers"
            and is_model_class(binding.attribute)
            for binding in bindings
        )
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
        base = script.names.resolve(node.value)
        return base is not None and base.path == "transformers" and is_model_class(node.attr)
    return False


def _container(script: Script, value: ast.expr) -> ast.expr | None:
    """Return the dict literal or `dict(...)` call behind a value, when that is certain."""
    if isinstance(value, ast.Dict):
        return value
    if script.names.literal_dict(value) is None:
        return None
    if isinstance(value, ast.Call):
        return value
    if isinstance(value, ast.Name):
        bindings, _ = script.tree.lookup(value.id, script.tree.scopes[value])
        inner = bindings[0].value if len(bindings) == 1 else None
        return inner if isinstance(inner, (ast.Dict, ast.Call)) else None
    return None


def _check_loader(script: Script, call: ast.Call, container: ast.expr, where: str) -> None:
    world = script.world
    if not world.positions("transformers"):
        return
    entries = entries_of(script.text, container)
    bad: list[tuple[Entry, History]] = []
    refuses_bnb = world.reads(_LOADER, "load_in_4bit") is False
    for entry in entries:
        history = world.keyword_history(_LOADER, entry.name)
        if entry.name in _SWALLOWED or not entry.name:
            continue
        if history.last_ok and world.reads(_LOADER, entry.name) is False:
            bad.append((entry, history))
        elif entry.name.startswith(("bnb_4bit_", "llm_int8_")) and refuses_bnb:
            bad.append((entry, world.keyword_history(_LOADER, "load_in_4bit")))
    if not bad or script.guards.dead(call):
        return
    reason = script.guards.probed(call) or script.guards.caught(call, importing=False)
    if reason:
        script.leave(call, where, reason)
        return
    edit, told = _loader_edit(script, container, entries, [entry for entry, _ in bad])
    inside = container is not call
    for entry, history in bad:
        name = entry.name
        quantizes = name.startswith(("load_in_", "bnb_4bit_", "llm_int8_"))
        if name.startswith("load_in_") or quantizes:
            rule = "from-pretrained-load-in-4bit-removed"
        elif name == "use_auth_token":
            rule = "from-pretrained-use-auth-token-removed"
        else:
            rule = "from-pretrained-kwarg-removed"
        line, column = script.text.start(entry.place)
        end = script.text.end(entry.place)
        if isinstance(entry.place, ast.keyword):
            end = (line, column + len(name))
        script.add(
            ApiFinding(
                kind="nested-key" if inside else "unexpected-keyword",
                severity="error",
                symbol=_symbol(script, call, inside),
                parameter=name,
                package="transformers",
                version=history.version,
                message=f"`{name}` in `{where}`: no longer read since transformers "
                f"{history.first_bad} (the job has {history.spoken}); it reaches the model class, "
                f"which refuses it with a TypeError. {told.get(name, '')}".rstrip(),
                line=line,
                column=column,
                end_line=end[0],
                end_column=end[1],
                last_ok=history.last_ok,
                first_bad=history.first_bad,
                replacement="quantization_config=BitsAndBytesConfig(...)" if quantizes else "",
                rule=rule,
                edit=edit if name in told else None,
            )
        )


def _symbol(script: Script, call: ast.Call, inside: bool) -> str:
    if inside:
        ref = script.names.resolve(call.func)
        return ref.path if ref is not None and ref.path else "transformers.from_pretrained"
    function = call.func
    owner = function.value if isinstance(function, ast.Attribute) else function
    return f"transformers.{script.text.of(owner).rsplit('.', 1)[-1]}.from_pretrained"


def _loader_edit(
    script: Script, container: ast.expr, entries: list[Entry], bad: list[Entry]
) -> tuple[ApiEdit | None, dict[str, str]]:
    """Return the edit for all bad keys of one container, and what to say per key."""
    text = script.text
    told: dict[str, str] = {}
    present = {entry.name for entry in entries}
    changes: list[Change] = []
    gone: list[Entry] = []
    quantizing = [e for e in bad if e.name.startswith(("load_in_", "bnb_4bit_", "llm_int8_"))]
    for entry in bad:
        if entry in quantizing:
            told[entry.name] = "Use `quantization_config=BitsAndBytesConfig(...)`."
        elif entry.name == "use_auth_token" and "token" not in present:
            told[entry.name] = "Use `token`."
            changes.append(_rename(script, container, entry, "token"))
        elif entry.name == "use_flash_attention_2" and isinstance(entry.value, ast.Constant):
            told[entry.name] = 'Use `attn_implementation="flash_attention_2"`.'
            if entry.value.value is True and "attn_implementation" not in present:
                new = written(container, "attn_implementation", '"flash_attention_2"')
                changes.append(text.replace(entry.start, entry.end, new))
            else:
                gone.append(entry)
        elif entry.name in ("resume_download", "use_auth_token"):
            told[entry.name] = "Leave it out."
            gone.append(entry)
    if quantizing:
        on = [
            entry
            for entry in quantizing
            if entry.name.startswith("load_in_")
            and not (isinstance(entry.value, ast.Constant) and entry.value.value is False)
        ]
        plain = all(isinstance(entry.value, ast.Constant) for entry in on)
        name, imports = _bnb_name(script)
        if "quantization_config" in present or not on:
            gone += quantizing
        elif plain and name:
            kept = [e for e in quantizing if e in on or not e.name.startswith("load_in_")]
            made = ", ".join(f"{entry.name}={text.of(entry.value)}" for entry in kept)
            new = written(container, "quantization_config", f"{name}({made})")
            changes.append(text.replace(quantizing[0].start, quantizing[0].end, new))
            changes += imports
            gone += quantizing[1:]
        else:
            return None, told
    changes += removals(text, entries, gone)
    title = "; ".join(dict.fromkeys(told.values()))
    return checked(text, title.replace("`.", "`"), changes), told


def _rename(script: Script, container: ast.expr, entry: Entry, new: str) -> Change:
    start = entry.start
    if isinstance(container, ast.Dict):
        return script.text.replace(start, script.text.end(entry.place), f'"{new}"')
    return script.text.replace(start, (start[0], start[1] + len(entry.name)), new)


def _bnb_name(script: Script) -> tuple[str, list[Change]]:
    """Return how the script can write BitsAndBytesConfig, and the import that this needs."""
    bindings = script.tree.module_scope.names.get("BitsAndBytesConfig", [])
    if bindings:
        imported = all(
            b.kind == "name" and b.module.split(".")[0] == "transformers" for b in bindings
        )
        return ("BitsAndBytesConfig", []) if imported else ("", [])
    for node in script.tree.imports:
        if (
            isinstance(node, ast.ImportFrom)
            and node.module == "transformers"
            and script.tree.parents.get(node) is script.tree.root
            and node.names[0].name != "*"
        ):
            end = script.text.end(node.names[-1])
            before = script.text.start(node.names[-1])
            lead = script.text.lines[before[0] - 1][: before[1] - 1]
            glue = f",\n{lead}" if not lead.strip() else ", "
            change = script.text.replace(end, end, f"{glue}BitsAndBytesConfig")
            return "BitsAndBytesConfig", [change]
    return "BitsAndBytesConfig", [new_import(script, "from transformers import BitsAndBytesConfig")]


def _check_bnb(script: Script, call: ast.Call) -> None:
    """BitsAndBytesConfig takes any keyword and only logs the ones that it does not know."""
    from difflib import get_close_matches

    known = script.world.parameters(_BNB)
    if not known or script.guards.dead(call):
        return
    for keyword in call.keywords:
        if keyword.arg is None or keyword.arg in known or keyword.arg.startswith("_"):
            continue
        near = get_close_matches(keyword.arg, known, n=1)
        history = script.world.keyword_history(_BNB, keyword.arg)
        line, column = script.text.start(keyword)
        script.add(
            ApiFinding(
                kind="ignored-keyword",
                severity="warning",
                symbol=_BNB,
                parameter=keyword.arg,
                package="transformers",
                version=history.version,
                message=f"`BitsAndBytesConfig` of {history.spoken} does not know "
                f"`{keyword.arg}`; it takes it without an error and does nothing with it."
                + (f" Did you mean `{near[0]}`?" if near else ""),
                line=line,
                column=column,
                end_line=line,
                end_column=column + len(keyword.arg),
                last_ok=history.last_ok,
                first_ok=history.first_ok,
                replacement=near[0] if near else "",
                rule="api-keyword-ignored",
            )
        )


def _check_checkpointing(script: Script, value: ast.expr, path: str) -> None:
    """`gradient_checkpointing_kwargs` go to torch.utils.checkpoint.checkpoint, which is strict."""
    items = script.names.literal_dict(value)
    for name, _, place in items or ():
        if name in _CHECKPOINT_KEYS:
            continue
        line, column = script.text.start(place)
        end = script.text.end(place)
        script.add(
            ApiFinding(
                kind="nested-key",
                severity="warning",
                symbol=path,
                parameter=f"gradient_checkpointing_kwargs.{name}",
                package="torch",
                version="",
                message=f"`{name}` is not a keyword of `torch.utils.checkpoint.checkpoint`, which "
                "these are handed to.",
                line=line,
                column=column,
                end_line=end[0],
                end_column=end[1],
                rule="api-nested-key",
            )
        )

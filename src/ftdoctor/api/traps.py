"""What runs without an error and does something else than the script says."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

from ftdoctor.api.changes import config_of
from ftdoctor.api.fixes import checked
from ftdoctor.api.model import ApiFinding
from ftdoctor.api.nested import check_loaders

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ftdoctor.api.lint import Script

#: Trainer -> the first trl release whose `create_model_from_path` reads only `dtype` and falls back
#: to float32 (trl/trainer/utils.py; 0.27.0:1154, 1.16.0:1332).
_FLOAT32_SINCE = {
    "trl.SFTTrainer": "0.27.0",
    "trl.DPOTrainer": "0.27.0",
    "trl.GRPOTrainer": "0.27.0",
    "trl.RLOOTrainer": "0.27.0",
    "trl.RewardTrainer": "0.27.0",
}

#: Billions of parameters below which float32 weights are only noted.
_SMALL = 3.0
#: What returns a PeftModel.
_WRAPS = {
    "peft.get_peft_model": "get_peft_model",
    "peft.PeftModel.from_pretrained": "PeftModel.from_pretrained",
}


def check_traps(script: Script) -> None:
    """Look for silent traps in the whole script."""
    check_loaders(script)
    for call in script.tree.calls:
        ref = script.names.resolve(call.func)
        if ref is None or ref.kind != "symbol" or script.guards.dead(call):
            continue
        if ref.path in _FLOAT32_SINCE:
            _string_model(script, call, ref.path)
            _adapter_twice(script, call, ref.path)
        elif ref.path == "peft.prepare_model_for_kbit_training":
            _kbit(script, call)


def _string(script: Script, node: ast.expr | None) -> bool:
    if isinstance(node, ast.Constant):
        return isinstance(node.value, str)
    if isinstance(node, ast.Name):
        bindings, _ = script.tree.lookup(node.id, script.tree.scopes[node])
        return len(bindings) == 1 and _string(script, bindings[0].value)
    return False


def _argument(call: ast.Call, name: str, position: int) -> ast.expr | None:
    for keyword in call.keywords:
        if keyword.arg == name:
            return keyword.value
    if position < len(call.args) and not any(isinstance(a, ast.Starred) for a in call.args):
        return call.args[position]
    return None


def _settings(script: Script, call: ast.Call, path: str) -> ast.Call | None:
    """Return the call that makes the trainer's config, when it is one that can be followed."""
    given = _argument(call, "args", script.world.position(path, "args"))
    if isinstance(given, ast.Name):
        bindings, _ = script.tree.lookup(given.id, script.tree.scopes[given])
        given = bindings[0].value if len(bindings) == 1 else None
    if not isinstance(given, ast.Call) or any(k.arg is None for k in given.keywords):
        return None
    ref = script.names.resolve(given.func)
    return given if ref is not None and ref.path == config_of(path) else None


def _at_least(script: Script, package: str, version: str) -> bool:
    table = script.world.table(package)
    first = table.index(version) if table else None
    positions = script.world.positions(package)
    return first is not None and bool(positions) and positions[0] >= first


def _string_model(script: Script, call: ast.Call, path: str) -> None:
    """A model given as a string is loaded in float32 unless `dtype` says otherwise."""
    if not _at_least(script, "trl", _FLOAT32_SINCE[path]):
        return
    if not _string(script, _argument(call, "model", 0)):
        return
    settings = _settings(script, call, path)
    if settings is None:
        return
    given = next((k.value for k in settings.keywords if k.arg == "model_init_kwargs"), None)
    keys: dict[str, tuple[ast.expr, ast.AST]] = {}
    if given is not None and not (isinstance(given, ast.Constant) and given.value is None):
        items = script.names.literal_dict(given)
        if items is None:
            return
        keys = {name: (value, place) for name, value, place in items}
    if "dtype" in keys:
        return
    trl = script.world.spoken("trl")
    if "torch_dtype" in keys:
        place = keys["torch_dtype"][1]
        _add(
            script,
            place,
            f"{config_of(path)}.model_init_kwargs",
            "torch_dtype",
            f"`torch_dtype` in `model_init_kwargs` does nothing in {trl}: only `dtype` is read, "
            "and without it the model is loaded in float32, 4 bytes a parameter instead of 2. Use "
            "`dtype`.",
            rule="api-torch-dtype-ignored",
            replacement="dtype",
            names=("torch_dtype", "dtype"),
        )
        return
    quantized = "quantization_config" in keys or any(
        keyword.arg == "quantization_config" for keyword in call.keywords
    )
    if quantized:
        return
    node = _argument(call, "model", 0)
    if node is None:
        return
    size = _billions(_text(script, node))
    numbers = f" (about {size * 4:.3g} GB instead of {size * 2:.3g} GB)" if size else ""
    _add(
        script,
        node,
        path,
        "model",
        f"{trl} loads a model given as a string in float32, 4 bytes a parameter, whatever the "
        f"checkpoint has: twice the weights' memory of bfloat16{numbers}. Set "
        '`model_init_kwargs={"dtype": "bfloat16"}` (or "auto") in '
        f"`{config_of(path).rsplit('.', 1)[-1]}`.",
        rule="api-string-model-float32",
        replacement='model_init_kwargs={"dtype": "bfloat16"}',
        # Of a small model the difference seldom decides anything.
        severity="note" if size and size < _SMALL else "warning",
    )


def _text(script: Script, node: ast.expr) -> str:
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.Name):
        bindings, _ = script.tree.lookup(node.id, script.tree.scopes[node])
        value = bindings[0].value if len(bindings) == 1 else None
        return _text(script, value) if value is not None else ""
    return ""


def _billions(name: str) -> float:
    """Return the parameters in billions that a model's name tells ("Qwen3-0.6B"), 0 for none."""
    found = re.search(r"(?<![\w.])(\d+(?:\.\d+)?)([bBmM])(?![a-zA-Z0-9])", name.rsplit("/", 1)[-1])
    if found is None:
        return 0.0
    return float(found[1]) * (1 if found[2] in "bB" else 1e-3)


def _adapter_twice(script: Script, call: ast.Call, path: str) -> None:
    """A PeftModel together with `peft_config`: ValueError since trl 0.27.0 (sft_trainer.py)."""
    if not _at_least(script, "trl", "0.27.0"):
        return
    config = _argument(call, "peft_config", 99)
    model = _argument(call, "model", 0)
    if config is None or (isinstance(config, ast.Constant) and config.value is None):
        return
    if not isinstance(model, ast.Name):
        return
    found, _ = script.tree.lookup(model.id, script.tree.scopes[model])
    # What the name is given after the call (an adapter loaded to try it out) is another matter.
    bindings = [b for b in found if getattr(b.node, "lineno", 0) < call.lineno]
    if not bindings or script.tree.scopes[model] is not script.tree.scopes[bindings[-1].node]:
        return
    last = max(bindings, key=lambda binding: getattr(binding.node, "lineno", 0))
    if script.tree.parents.get(last.node) is not script.tree.parents.get(
        script.tree.statement_of(call) or call
    ):
        return
    if isinstance(last.value, ast.Call):
        ref = script.names.resolve(last.value.func)
        if ref is not None and ref.path in _WRAPS:
            _add(
                script,
                config,
                path,
                "peft_config",
                f"The model is a PeftModel already (`{_WRAPS[ref.path]}`), and "
                f"{script.world.spoken('trl')} refuses it together with `peft_config` "
                "(ValueError). Give one of the two.",
                rule="peft-model-and-peft-config",
                severity="error",
                kind="combination",
            )


def _kbit(script: Script, call: ast.Call) -> None:
    """Every half-precision parameter becomes float32 (peft 0.21.2, utils/other.py:158)."""
    _add(
        script,
        call.func,
        "peft.prepare_model_for_kbit_training",
        "prepare_model_for_kbit_training",
        "`prepare_model_for_kbit_training` turns embeddings, norms and the output layer into "
        "float32; activations then flow in float32, twice the memory of bfloat16, and attention "
        "may fall back to a slower kernel. The trl trainers do not need it.",
        rule="api-kbit-float32",
    )


def _add(
    script: Script,
    node: ast.AST,
    symbol: str,
    parameter: str,
    message: str,
    *,
    rule: str,
    replacement: str = "",
    severity: str = "warning",
    kind: str = "silent-default",
    names: Sequence[str] = (),
) -> None:
    text = script.text
    line, column = text.start(node)
    end_line, end_column = text.end(node)
    if isinstance(node, ast.keyword):
        end_line, end_column = line, column + len(node.arg or "")
    edit = None
    if names:
        quoted = "" if isinstance(node, ast.keyword) else text.lines[line - 1][column - 1]
        quoted = quoted if quoted in "\"'" else ""
        change = text.replace((line, column), (end_line, end_column), f"{quoted}{names[1]}{quoted}")
        edit = checked(text, f"`{names[0]}` becomes `{names[1]}`", [change])
    package = symbol.split(".", 1)[0]
    script.add(
        ApiFinding(
            kind=kind,  # type: ignore[arg-type]
            severity=severity,  # type: ignore[arg-type]
            symbol=symbol,
            parameter=parameter,
            package=package,
            version=script.world.version(package),
            message=message,
            line=line,
            column=column,
            end_line=end_line,
            end_column=end_column,
            replacement=replacement,
            rule=rule,
            edit=edit,
        )
    )

"""Several linked releases of one package, folded into one table of intervals.

The table is text: a JSON header on the first line, then one line `kind name<TAB>json` each, sorted
by key, so that a reader decompresses once and decodes only the few lines that a script needs.
`docs/api.md` describes the lines. Indexes are positions in the header's `versions`; an interval is
[first, end) and an end of -1 means "to the newest".
"""

from __future__ import annotations

import gzip
import json
import re
from collections import defaultdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tools.api_tables.link import Release

#: Classes whose methods people call with keywords; the other classes give their constructor only.
METHODS_OF = re.compile(
    r"^(trl\.(\w*Trainer|TrlParser|AutoModelFor\w+|RichProgressCallback)"
    r"|peft\.(PeftModel\w*|LoraModel|PeftConfig|LoraConfig)"
    r"|transformers\.(\w*Trainer|HfArgumentParser|TrainingArguments|Auto\w+|PreTrainedModel"
    r"|PreTrainedTokenizer\w*|BitsAndBytesConfig|GenerationConfig|ProcessorMixin)"
    r"|accelerate\.(Accelerator|PartialState|AcceleratorState)"
    r"|datasets\.(\w*Dataset\w*|Features)|huggingface_hub\.(HfApi|HfFolder|Repository|ModelCard\w*))$"
)
#: transformers' internals: nobody calls their functions with keywords from a training script.
_NAMES_ONLY = re.compile(
    r"^transformers\.(utils|integrations|quantizers|generation|pipelines|exporters|agents|cli"
    r"|commands|distributed|loss|masking_utils|modeling_utils|convert\w+|onnx|benchmark)\."
)

_MISSING = object()


class Timeline:
    """Values of many keys over the releases, turned into intervals."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._rows: dict[Any, list[Any]] = defaultdict(lambda: [_MISSING] * count)

    def set(self, key: Any, index: int, value: Any) -> None:
        self._rows[key][index] = value

    def __iter__(self) -> Iterator[Any]:
        return iter(list(self._rows))

    def __contains__(self, key: Any) -> bool:
        return key in self._rows

    def __len__(self) -> int:
        return len(self._rows)

    def runs(self, key: Any) -> list[list[Any]]:
        """Return [[first, end, value], ...]; end is -1 for "to the newest"."""
        found: list[list[Any]] = []
        for index, value in enumerate(self._rows[key]):
            if value is _MISSING:
                continue
            if found and found[-1][1] == index and found[-1][2] == value:
                found[-1][1] = index + 1
            else:
                found.append([index, index + 1, value])
        for run in found:
            if run[1] == self._count:
                run[1] = -1
        return found


class Table:
    """Collects the releases of one package in order, then writes the table."""

    def __init__(self, package: str, versions: list[str]) -> None:
        self.package = package
        self.versions = versions
        count = len(versions)
        self.modules = Timeline(count)
        self.names: dict[str, Timeline] = defaultdict(lambda: Timeline(count))
        self.exists = Timeline(count)
        self.parameters: dict[str, Timeline] = defaultdict(lambda: Timeline(count))
        self.facts: dict[str, Timeline] = defaultdict(lambda: Timeline(count))
        self.enforced: dict[str, Timeline] = defaultdict(lambda: Timeline(count))
        self.warned: dict[str, dict[str, tuple[int, str]]] = defaultdict(dict)
        self.enums: dict[str, Timeline] = defaultdict(lambda: Timeline(count))
        self.model_types = Timeline(count)
        self.commands = Timeline(count)
        self.flags = Timeline(count)
        self.extra: dict[str, Any] = {}

    def add(self, index: int, release: Release) -> None:
        """Take one release in."""
        self._add_names(index, release)
        for key, path in release.canonical.items():
            record = release.modules[key[0]]
            if _NAMES_ONLY.match(path) or any(p.startswith("_") for p in path.split(".")):
                continue
            if key[1] in record["classes"]:
                self._add_class(index, release, key, path)
            elif key[1] in record["functions"]:
                self._add_callable(index, path, "f", release.function(key))
                self._add_warned(index, path, record["functions"][key[1]]["d"])
        for record in release.modules.values():
            for name, keys in record["dicts"].items():
                if name == "CONFIG_MAPPING_NAMES":
                    for model_type in keys:
                        self.model_types.set(model_type, index, 1)

    def _add_names(self, index: int, release: Release) -> None:
        for package in release.packages:
            if package not in release.modules and "._" not in package:
                self.modules.set(package, index, 1)  # there, but not read
        for module in release.modules:
            if any(part.startswith("_") for part in module.split(".")):
                continue
            self.modules.set(module, index, int(release.is_open(module)))
            record = release.modules[module]
            for submodule in record["structure"] or ():
                path = f"{module}.{submodule}"
                known = path in release.modules or path in release.exports
                if not known and path not in release.packages:
                    # A module name that is served without a file of its own.
                    self.modules.set(path, index, 1)
            for name in release.namespace(module):
                if name.startswith("_"):
                    continue
                found = release.resolve(module, name)
                target = ""
                if found and found[0] == "def":
                    path = release.canonical.get((found[1], found[2]), "")
                    target = "" if path == f"{module}.{name}" else path
                elif found and found[0] == "mod":
                    target = f"@{found[1]}" if found[1] != f"{module}.{name}" else "@"
                self.names[module].set(name, index, target)

        self._add_command_line(index, release)

    def _add_command_line(self, index: int, release: Release) -> None:
        """Subcommands of `trl` with the classes they parse; flags of `accelerate launch`."""
        if self.package == "accelerate":
            record = release.modules.get("accelerate.commands.launch", {"flags": []})
            for flag in record["flags"]:
                self.flags.set(flag.lstrip("-").replace("-", "_"), index, 1)
        if self.package != "trl":
            return
        commands: set[str] = set()
        for module, record in release.modules.items():
            if module.startswith(("trl.cli", "trl.commands.cli")):
                commands |= {name for name in record["commands"] if name.replace("-", "").isalnum()}
            if module.startswith("trl.cli.commands.") and not module.endswith(
                (".base", ".training")
            ):
                commands.add(module.rsplit(".", 1)[-1].replace("_", "-"))
        for command in commands:
            classes: list[str] = []
            for module in (f"trl.scripts.{command}", f"trl.commands.scripts.{command}"):
                for names in release.modules.get(module, {"parsers": []})["parsers"][:1]:
                    classes = [self._class_path(release, module, name) for name in names]
            self.commands.set(command.replace("_", "-"), index, classes)

    def _class_path(self, release: Release, module: str, name: str) -> str:
        """The public path of a class named in a script; imports inside functions come from trl."""
        for home in (module, "trl"):
            found = release.resolve(home, name)
            if found and found[0] == "def":
                return release.canonical.get((found[1], found[2]), f"{found[1]}.{found[2]}")
            if found and found[0] == "ext":
                return f"{found[1]}.{found[2]}"
        return f"trl.{name}"

    def _add_class(self, index: int, release: Release, key: Any, path: str) -> None:
        record = release.class_record(key)
        if record["values"] and any(base.endswith("Enum") for base in record["bases"]):
            for value in record["values"].values():
                self.enums[path].set(value, index, 1)
            return
        self._add_callable(index, path, "c", release.init(key))
        self._add_warned(index, path, release.warned(key))
        for name, enum in release.enforced(key).items():
            self.enforced[path].set(name, index, enum)
        if METHODS_OF.match(path):
            methods, outside = release.methods(key)
            for name, signature in methods.items():
                self._add_callable(index, f"{path}.{name}", "m", signature)
            self.facts[path].set("m", index, outside)

    def _add_warned(self, index: int, path: str, warned: dict[str, str]) -> None:
        for name, text in warned.items():
            self.warned[path].setdefault(name, (index, text))

    def _add_callable(self, index: int, path: str, kind: str, init: dict[str, Any]) -> None:
        self.exists.set(path, index, kind)
        if init["open"]:
            self.facts[path].set("o", index, 1)
        positional = -1 if init["var"] else sum(row[1] in "op" for row in init["rows"])
        self.facts[path].set("n", index, positional)
        if init["base"]:
            base = init["base"]
            self.facts[path].set("b", index, [base["to"], base["mode"], sorted(set(base["drop"]))])
        for name, row_kind, default, _ in init["rows"]:
            self.parameters[path].set(name, index, [row_kind, default])

    # --- writing -----------------------------------------------------------------------------

    def lines(self) -> dict[str, Any]:
        """Return the table: key -> plain data."""
        found: dict[str, Any] = {}
        for module in self.modules:
            found[f"M {module}"] = self._module_line(module)
        for path in self.exists:
            found[f"C {path}"] = self._callable_line(path)
        for path, values in self.enums.items():
            found[f"E {path}"] = {value: _short(values.runs(value)) for value in values}
        if self.model_types:
            found["T model_type"] = {
                name: _short(self.model_types.runs(name)) for name in sorted(self.model_types)
            }
        if self.commands:
            found["L commands"] = {n: self.commands.runs(n) for n in sorted(self.commands)}
        if self.flags:
            found["L flags"] = {n: _short(self.flags.runs(n)) for n in sorted(self.flags)}
        return found | self.extra

    def _module_line(self, module: str) -> dict[str, Any]:
        life = self.modules.runs(module)
        span = [[run[0], run[1]] for run in _short(life)]
        line: dict[str, Any] = {"i": span, "a": [], "r": [], "x": {}}
        opened = [run[:2] for run in life if run[2]]
        if opened:
            line["o"] = opened
        names = self.names[module]
        for name in sorted(names):
            runs = names.runs(name)
            default = f"{self.package}.{name}"
            plain = [run[:2] for run in runs] == span and len(runs) == 1
            if plain and runs[0][2] == "":
                line["a"].append(name)
            elif plain and runs[0][2] == default:
                line["r"].append(name)
            else:
                line["x"][name] = [
                    [*run[:2], "." if run[2] == default else run[2]] if run[2] else run[:2]
                    for run in runs
                ]
        line["a"] = " ".join(line["a"])
        line["r"] = " ".join(line["r"])
        return {key: value for key, value in line.items() if value}

    def _callable_line(self, path: str) -> dict[str, Any]:
        line: dict[str, Any] = {"i": self.exists.runs(path)}
        parameters = self.parameters[path]
        line["p"] = {
            name: [[run[0], run[1], *run[2]] for run in parameters.runs(name)]
            for name in parameters
        }
        facts = self.facts[path]
        for key in ("n", "o", "b", "m"):
            runs = facts.runs(key) if key in facts else []
            if runs:
                line[key] = _short(runs) if key == "o" else runs
        if path in self.enforced:
            line["e"] = {k: self.enforced[path].runs(k) for k in self.enforced[path]}
        if self.warned.get(path):
            line["d"] = {name: list(entry) for name, entry in self.warned[path].items()}
        return line


def _short(runs: list[list[Any]]) -> list[list[int]]:
    """Drop the values and join what then touches."""
    found: list[list[int]] = []
    for first, end, _ in runs:
        if found and found[-1][1] == first:
            found[-1][1] = end
        else:
            found.append([first, end])
    return found


def write(path: Path, header: dict[str, Any], lines: dict[str, Any]) -> int:
    """Write a table and return its size in bytes. The same input gives the same bytes."""
    text = [json.dumps(header, separators=(",", ":"))]
    text += [
        f"{key}\t{json.dumps(lines[key], separators=(',', ':'), ensure_ascii=False)}"
        for key in sorted(lines)
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    packed = gzip.compress(("\n".join(text) + "\n").encode(), 9, mtime=0)
    path.write_bytes(packed)
    return len(packed)

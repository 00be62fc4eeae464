"""One release, linked: which names every module has, and the signature of every public callable.

Everything comes from the records of the release's own files. A base class of another package
stays a reference ("transformers.TrainingArguments"): the reader of the table joins it with the
version of that package that the job will run.
"""

from __future__ import annotations

from functools import cache, cached_property
from typing import Any

#: Packages that have a table; a base class or a forwarded call into them can be joined later.
PACKAGES = (
    "trl",
    "peft",
    "transformers",
    "accelerate",
    "datasets",
    "huggingface_hub",
    "bitsandbytes",
)
#: Bases that add nothing to a constructor.
_HARMLESS = {
    "PushToHubMixin",
    "object",
    "ABC",
    "abc.ABC",
    "Generic",
    "typing.Generic",
    "Protocol",
    "Hashable",
}
_OPEN: dict[str, Any] = {"rows": [], "var": True, "open": True, "base": None}

Definition = tuple[str, str]  # (module, name)
Init = dict[str, Any]


class Release:
    """The linked view of one release. `wheel` is what `read_wheel` gives."""

    def __init__(self, package: str, wheel: dict[str, Any]) -> None:
        self.package = package
        self.modules: dict[str, Any] = wheel["modules"]
        self.packages = set(wheel["packages"])
        self.exports: dict[str, list[str]] = wheel["exports"]
        self._children: dict[str, list[str]] = {}
        for name in (*self.modules, *self.exports, *self.packages):
            self._children.setdefault(name.rpartition(".")[0], []).append(name)
        self._busy: set[Definition] = set()
        self.namespace = cache(self._namespace)
        self.is_open = cache(self._is_open)
        self.init = cache(self._init)
        self.canonical: dict[Definition, str] = {}
        self._choose_canonical()

    # --- names -------------------------------------------------------------------------------

    def absolute(self, module: str, target: str) -> str:
        """Return the dotted name that a possibly relative import in `module` means."""
        if not target.startswith("."):
            return target
        level = len(target) - len(target.lstrip("."))
        parts = module.split(".")
        if module not in self.packages:
            parts = parts[:-1]
        parts = parts[: len(parts) - (level - 1)]
        rest = target[level:]
        return ".".join([*parts, rest] if rest else parts)

    def _namespace(self, module: str) -> dict[str, tuple[str, str, str]]:
        """Return name -> ("def"|"mod"|"ref"|"value", module, attribute) of one module."""
        record = self.modules[module]
        names: dict[str, tuple[str, str, str]] = {}
        prefix = f"{module}."
        for other in self._children.get(module, ()):
            names[other[len(prefix) :]] = ("mod", other, "")
        for name in record["assigned"]:
            names[name] = ("value", module, name)
        for submodule, listed in (record["structure"] or {}).items():
            target = f"{module}.{submodule}"
            if "." not in submodule:
                names[submodule] = ("mod", target, "")
            for name in listed:
                names[name] = ("ref", target, name)
        if record["define"]:
            below = f"{module}.models." if module == "transformers" else prefix
            for other, listed in self.exports.items():
                if other.startswith(below):
                    names.update((name, ("ref", other, name)) for name in listed)
            for other, child in self.modules.items():
                if other.startswith(below):
                    names.update((name, ("ref", other, name)) for name in child["all"] or ())
        for star in record["stars"]:
            source = self.absolute(module, star)
            if source in self.modules and source != module:
                child = self.modules[source]
                for name, target in self.namespace(source).items():
                    if name in child["all"] if child["all"] is not None else name[0] != "_":
                        names[name] = target if target[0] != "value" else ("ref", source, name)
        for name, source, attribute in record["imports"]:
            if source == ".self":
                names[name] = ("ref", module, attribute)
            elif attribute:
                names[name] = ("ref", self.absolute(module, source), attribute)
            else:
                names[name] = ("mod", source, "")
        for kind in ("functions", "classes"):
            for name in record[kind]:
                # `try: from other import X / except ImportError: class X` is the other's X.
                taken = names.get(name, ("", "", ""))
                if taken[0] != "ref" or taken[1].split(".")[0] == self.package:
                    names[name] = ("def", module, name)
        return names

    def _is_open(self, module: str) -> bool:
        """Whether a module may have names that its text does not show."""
        record = self.modules.get(module)
        if record is None:
            return True
        if record["getattr"]:
            return True
        return any(
            source.split(".")[0] != self.package or self.is_open(source)
            for star in record["stars"]
            if (source := self.absolute(module, star)) != module
        )

    def resolve(self, module: str, name: str, depth: int = 0) -> tuple[str, str, str] | None:
        """Follow re-exports to ("def", module, name), ("mod", name, ""), ("ext", module, name)."""
        if depth > 20:
            return None
        if module.split(".")[0] != self.package:
            return ("ext", module, name)
        if module in self.exports:
            return ("export", module, name)
        if module not in self.modules:
            return None
        target = self.namespace(module).get(name)
        if target is None:
            return None
        if target[0] == "ref":
            submodule = f"{target[1]}.{target[2]}"
            if (target[1], target[2]) == (module, name):
                return None
            found = self.resolve(target[1], target[2], depth + 1)
            if found is None and submodule in self.modules:
                return ("mod", submodule, "")
            return found
        if target[0] == "mod" and target[1].split(".")[0] != self.package:
            return ("ext", target[1], "")
        return target

    def resolve_dotted(self, module: str, dotted: str) -> tuple[str, str, str] | None:
        """Resolve "a.b.C" as written inside a module."""
        head, _, rest = dotted.partition(".")
        found = self.resolve(module, head)
        while rest and found:
            head, _, rest = rest.partition(".")
            if found[0] == "mod":
                found = self.resolve(found[1], head)
            elif found[0] == "ext":
                found = ("ext", f"{found[1]}.{found[2]}".strip("."), head)
            else:
                return None
        return found

    def _choose_canonical(self) -> None:
        """Give each public definition its shortest public path."""
        for module in sorted(self.modules, key=lambda m: (m.count("."), len(m), m)):
            if any(part.startswith("_") for part in module.split(".")):
                continue
            for name in self.namespace(module):
                if name.startswith("_"):
                    continue
                found = self.resolve(module, name)
                if found and found[0] == "def":
                    key = (found[1], found[2])
                    if key not in self.canonical or (
                        name == key[1]
                        and self.canonical[key].rsplit(".", 1)[-1] != name
                        and self.canonical[key].count(".") >= module.count(".") + 1
                    ):
                        self.canonical[key] = f"{module}.{name}"

    @cached_property
    def _takes_use_auth_token(self) -> bool:
        """Whether `@validate_hf_hub_args` still turns `use_auth_token` into `token`."""
        record = self.modules.get("huggingface_hub.utils._validators")
        return record is not None and "smoothly_deprecate_use_auth_token" in record["functions"]

    # --- signatures --------------------------------------------------------------------------

    def class_record(self, key: Definition) -> Any:
        return self.modules[key[0]]["classes"].get(key[1])

    def bases(self, key: Definition) -> list[tuple[str, Any]]:
        """Return ("in", definition) | ("ext", dotted path) | ("none", "") | ("?", text)."""
        found: list[tuple[str, Any]] = []
        for base in self.class_record(key)["bases"]:
            target = None if base == "?" else self.resolve_dotted(key[0], base)
            inner = (target[1], target[2]) if target and target[0] == "def" else None
            if inner and inner != key and self.class_record(inner):
                found.append(("in", inner))
            elif base in _HARMLESS or base.rsplit(".", 1)[-1] in _HARMLESS:
                found.append(("none", ""))
            elif target and target[0] == "ext" and target[1].split(".")[0] in PACKAGES:
                found.append(("ext", f"{target[1]}.{target[2]}"))
            else:
                found.append(("?", base))
        return found

    def _init(self, key: Definition) -> Init:
        """Return the constructor of a class: rows, var, open, base (see the module's text)."""
        if key in self._busy:  # two definitions of one name that look like each other's base
            return _OPEN
        self._busy.add(key)
        try:
            return self._constructor(key)
        finally:
            self._busy.discard(key)

    def _constructor(self, key: Definition) -> Init:
        record = self.class_record(key)
        bases = self.bases(key)
        if record["open"] or any(
            kind == "?" and base.rsplit(".", 1)[-1].endswith(("Enum", "Dict", "NamedTuple"))
            for kind, base in bases
        ):
            return _OPEN
        if record["init"] is not None and record["new"] is not None:
            return _OPEN  # both see the arguments
        if record["init"] is not None:
            return self.joined(record["init"], lambda target: self._super(key, bases, target))
        if record["data"] and record["data"]["init"]:
            return self._dataclass(record, bases)
        if record["new"] is not None:
            return self.joined(record["new"], lambda target: None)
        return self._first_base(bases)

    def _dataclass(self, record: Any, bases: list[tuple[str, Any]]) -> Init:
        rows: dict[str, list[Any]] = {}
        external = None
        for kind, base in reversed(bases):
            if kind == "ext":
                external = {"to": base, "mode": "d", "drop": []}
            elif kind == "in":
                below = self.init(base)
                data = self.class_record(base)["data"]
                if not data and not below["base"] and not below["rows"] and not below["open"]:
                    continue  # a mixin without fields
                if below["open"]:
                    return _OPEN
                external = below["base"] or external
                rows.update({row[0]: row for row in below["rows"]})
            elif kind == "?":
                return _OPEN
        for name, default, annotation, takes_part, keyword_only in record["fields"]:
            if takes_part:
                kind = "k" if keyword_only or record["data"]["kw_only"] else "p"
                rows[name] = [name, kind, default, annotation]
            else:
                rows.pop(name, None)
                if external:
                    external = external | {"drop": [*external["drop"], name]}
        return {"rows": list(rows.values()), "var": False, "open": False, "base": external}

    def _first_base(self, bases: list[tuple[str, Any]]) -> Init:
        for kind, base in bases:
            if kind == "?":
                return _OPEN
            if kind == "ext":
                nothing: Init = {"rows": [], "var": False, "open": False}
                return nothing | {"base": {"to": base, "mode": "i", "drop": []}}
            if kind == "in":
                found = self.init(base)
                if found["rows"] or found["open"] or found["base"] or found["var"]:
                    return found
        return {"rows": [], "var": False, "open": False, "base": None}

    def _super(self, key: Definition, bases: list[tuple[str, Any]], target: str) -> Init | None:
        """The constructor that `**kwargs` of this one go to; None when it cannot be followed."""
        if target == "super.__init__":
            return self._first_base(bases)
        owner, _, attribute = target.rpartition(".")
        if attribute == "__init__" and owner:
            found = self.resolve_dotted(key[0], owner)
            if found and found[0] == "def" and self.class_record((found[1], found[2])):
                return self.init((found[1], found[2]))
        return None

    def joined(self, signature: dict[str, Any], follow: Any) -> Init:
        """Join a signature with what its `**kwargs` are handed to."""
        rows = [list(row) for row in signature["p"]]
        own = {row[0] for row in rows}
        rows += [[name, "k", "...", ""] for name in signature["r"] if name not in own]
        known = own | set(signature["r"])
        rows += [
            [old, "k", "...", ""]
            for old in signature["l"]
            if old not in known and (old != "use_auth_token" or self._takes_use_auth_token)
        ]
        result: Init = {"rows": rows, "var": signature["a"], "open": False, "base": None}
        if not signature["w"]:
            return result
        forward = signature["f"]
        below = follow(forward["to"]) if isinstance(forward, dict) else None
        if below is None or below["open"]:
            return result | {"open": True}
        taken = {row[0] for row in rows} | set(forward["drop"])
        given = forward["given"]
        for position, row in enumerate(below["rows"]):
            if row[0] in taken or (position < given and row[1] in "op"):
                continue
            rows.append([row[0], row[1] if forward["pos"] else "k", *row[2:]])
        if below["base"]:
            drop = sorted({*below["base"]["drop"], *taken})
            result["base"] = {"to": below["base"]["to"], "mode": "f", "drop": drop}
        if signature["a"] and forward["pos"]:
            result["var"] = below["var"] or (below["base"] is not None)
        return result

    def function(self, key: Definition) -> Init:
        """Return the signature of a function, a forwarding stub joined with its target."""
        signature = self.modules[key[0]]["functions"][key[1]]

        def follow(target: str) -> Init | None:
            if target != signature.get("back"):
                return None
            found = self.resolve_dotted(key[0], target)
            if not found or found[0] != "def" or (found[1], found[2]) == key:
                return None
            other = (found[1], found[2])
            return self.init(other) if self.class_record(other) else self.function(other)

        return self.joined(signature, follow)

    def methods(self, key: Definition, depth: int = 0) -> tuple[dict[str, Init], list[str]]:
        """Return (public methods by name, bases of other packages) along the class's bases."""
        found: dict[str, Init] = {}
        outside: list[str] = []
        if depth > 10:
            return found, outside
        below: dict[str, Init] = {}
        bases = self.bases(key)
        for kind, base in reversed(bases):
            if kind == "in":
                inherited, further = self.methods(base, depth + 1)
                below.update(inherited)
                outside = further + outside
            elif kind == "ext":
                outside = [base, *outside]
        found.update(below)
        complete = not outside and all(kind in ("in", "none") for kind, _ in bases)
        for name, signature in self.class_record(key)["methods"].items():
            target = f"super.{name}"
            found[name] = self.joined(
                signature,
                lambda to, want=target, own=name: (
                    below.get(own) if to == want and (own in below or complete) else None
                ),
            )
        return found, outside

    def enforced(self, key: Definition, depth: int = 0) -> dict[str, str]:
        """Return field -> canonical enum class, for values that __post_init__ converts."""
        found: dict[str, str] = {}
        if depth > 10:
            return found
        for kind, base in reversed(self.bases(key)):
            if kind == "in":
                found.update(self.enforced(base, depth + 1))
        for name, enum in self.class_record(key)["enforced"].items():
            target = self.resolve(key[0], enum)
            if target and target[0] == "def":
                found[name] = self.canonical.get((target[1], target[2]), "")
        return {name: enum for name, enum in found.items() if enum}

    def warned(self, key: Definition, depth: int = 0) -> dict[str, str]:
        """Return parameter -> warning text, for what warns when it is set."""
        record = self.class_record(key)
        found: dict[str, str] = {}
        if depth > 10:
            return found
        for kind, base in reversed(self.bases(key)):
            if kind == "in":
                found.update(self.warned(base, depth + 1))
        found.update(record["warned"])
        if record["init"]:
            found.update(record["init"]["d"])
        return found

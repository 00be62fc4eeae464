"""The reader of wheels, on small wheels written here: one construct of real libraries each."""

from __future__ import annotations

import zipfile
from typing import TYPE_CHECKING, Any

import pytest
from tools.api_tables.build import Table, write
from tools.api_tables.link import Release
from tools.api_tables.wheel import Records, read_wheel

from ftdoctor.api import table as tables
from ftdoctor.api.table import Table as Read
from ftdoctor.api.world import World

if TYPE_CHECKING:
    from pathlib import Path


def wheel(folder: Path, package: str, version: str, files: dict[str, str]) -> Path:
    path = folder / f"{package}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in files.items():
            archive.writestr(f"{package}/{name}", text)
        info = f"{package}-{version}.dist-info"
        archive.writestr(
            f"{info}/METADATA",
            f"Name: {package}\nVersion: {version}\nRequires-Python: >=3.10\n"
            "Requires-Dist: transformers>=4.50\n",
        )
    return path


def table_of(folder: Path, package: str, releases: dict[str, dict[str, str]]) -> Read:
    """Build the table of some invented releases and read it back."""
    made = Table(package, list(releases))
    with Records(folder / "records.sqlite") as records:
        for index, (version, files) in enumerate(releases.items()):
            read = read_wheel(wheel(folder, package, version, files), package, records)
            made.add(index, Release(package, read))
    path = folder / f"{package}.gz"
    header = {"schema": 1, "package": package, "date": "2026-01-01", "versions": list(releases)}
    write(path, header, made.lines())
    import zlib

    return Read(package, zlib.decompress(path.read_bytes(), wbits=31))


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    def make(
        releases: dict[str, dict[str, dict[str, str]]], versions: dict[str, str | None]
    ) -> World:
        known = {name: table_of(tmp_path, name, rows) for name, rows in releases.items()}
        monkeypatch.setattr("ftdoctor.api.exports.load", known.get)
        return World(versions)

    return make


ARGUMENTS = {
    "transformers": {
        "4.50.0": {
            "__init__.py": "from .training_args import TrainingArguments\n",
            "training_args.py": (
                "from dataclasses import dataclass\n"
                "@dataclass\nclass TrainingArguments:\n"
                "    output_dir: str\n    evaluation_strategy: str = 'no'\n"
            ),
        },
        "4.51.0": {
            "__init__.py": "from .training_args import TrainingArguments\n",
            "training_args.py": (
                "from dataclasses import dataclass, field\n"
                "@dataclass\nclass TrainingArguments:\n"
                "    output_dir: str = None\n    eval_strategy: str = field(default='no')\n"
                "    hidden: int = field(init=False, default=1)\n"
            ),
        },
    }
}
CONFIG = (
    "from dataclasses import dataclass\nfrom transformers import TrainingArguments\n"
    "@dataclass\nclass SFTConfig(TrainingArguments):\n    packing: bool = False\n"
)


def test_dataclass_across_packages(world: Any) -> None:
    releases = ARGUMENTS | {"trl": {"1.0.0": {"__init__.py": CONFIG}}}
    old = world(releases, {"trl": "1.0.0", "transformers": "4.50.0"})
    assert old.accepts("trl.SFTConfig", "evaluation_strategy") is True
    assert old.accepts("trl.SFTConfig", "eval_strategy") is False
    assert old.most_positional("trl.SFTConfig") == 3
    new = world(releases, {"trl": "1.0.0", "transformers": "4.51.0"})
    assert new.accepts("trl.SFTConfig", "evaluation_strategy") is False
    assert new.accepts("trl.SFTConfig", "hidden") is False
    history = new.keyword_history("trl.SFTConfig", "evaluation_strategy")
    assert (history.package, history.last_ok, history.first_bad) == (
        "transformers",
        "4.50.0",
        "4.51.0",
    )
    unknown = world(releases, {"trl": "1.0.0"})
    assert unknown.accepts("trl.SFTConfig", "packing") is True


CASES = {
    "lazy structure": (
        {
            "__init__.py": (
                "import sys\n_import_structure = {'a': ['One']}\n"
                "_import_structure['b'] = ['Two']\n_import_structure['b'].append('Three')\n"
                "_import_structure['b'].extend(['Four'])\n"
                "sys.modules[__name__] = _LazyModule(__name__, _import_structure)\n"
            ),
            "a.py": "class One: pass\n",
            "b.py": "class Two: pass\nclass Three: pass\nFour = Two\n",
        },
        {"One": True, "Two": True, "Three": True, "Four": True, "Five": False},
    ),
    "star import": (
        {
            "__init__.py": "from .a import *\n",
            "a.py": "__all__ = ['One']\nclass One: pass\nclass Two: pass\n",
        },
        {"One": True, "Two": False},
    ),
    "star of another package": ({"__init__.py": "from torch import *\n"}, {"Any": None}),
    "module getattr": ({"__init__.py": "def __getattr__(name): ...\n"}, {"Any": None}),
    "attached submodules": (
        {
            "__init__.py": (
                "_SUBMOD_ATTRS = {'a': ['One']}\n"
                "__getattr__, __dir__, __all__ = _attach(__name__, [], _SUBMOD_ATTRS)\n"
            ),
            "a.py": "class One: pass\n",
        },
        {"One": True, "Two": False},
    ),
    "conditional import": (
        {"__init__.py": "try:\n    from torch import One\nexcept ImportError:\n    One = None\n"},
        {"One": True, "Two": False},
    ),
    "for type checkers only": (
        {
            "__init__.py": (
                "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from .a import One\n"
            ),
            "a.py": "class One: pass\n",
        },
        {"One": False, "a": True},
    ),
    "served without a file": (
        {
            "__init__.py": "_import_structure = {'old_name': [], 'a': ['One']}\n",
            "a.py": "One = 1\n",
        },
        {"old_name": True, "One": True},
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_names(name: str, world: Any) -> None:
    files, expected = CASES[name]
    here = world({"trl": {"1.0.0": files}}, {"trl": "1.0.0"})
    assert {key: here.has_name("trl", key) for key in expected} == expected


SIGNATURES = {
    "plain": ("def f(a, b=1, *, c=2): ...\n", {"a": True, "c": True, "d": False}),
    "kwargs swallowed": ("def f(a, **kwargs): ...\n", {"a": True, "d": None}),
    "keys read": (
        "def f(**kwargs):\n    x = kwargs.pop('d', 1)\n    other(kwargs)\n",
        {"d": True, "e": None},
    ),
    "stub": (
        "def g(a, b): ...\ndef f(*args, **kwargs):\n    warn()\n    return g(*args, **kwargs)\n",
        {"a": True, "d": False},
    ),
    "renamed by a decorator": (
        "@deprecate_kwarg('old', version='9', new_name='a')\ndef f(a): ...\n",
        {"old": True, "a": True, "d": False},
    ),
    "class that hands on": (
        "class B:\n    def __init__(self, a, b): ...\n"
        "class f(B):\n    def __init__(self, *args, **kwargs):\n"
        "        super().__init__(*args, **kwargs)\n",
        {"a": True, "b": True, "d": False},
    ),
    "class that sets one itself": (
        "class B:\n    def __init__(self, a, b): ...\n"
        "class f(B):\n    def __init__(self, c, **kwargs):\n"
        "        super().__init__(b=c, **kwargs)\n",
        {"a": True, "b": False, "c": True},
    ),
    "class of an unknown base": ("class f(torch.nn.Module): ...\n", {"a": None}),
    "class without a constructor": ("class f: ...\n", {"a": False}),
    "new and init": (
        "class f:\n    def __new__(cls, a): ...\n    def __init__(self, b): ...\n",
        {"a": None, "d": None},
    ),
    "keyword-only dataclass": (
        "from dataclasses import dataclass, KW_ONLY\n@dataclass\nclass f:\n"
        "    a: int\n    _: KW_ONLY\n    b: int = 1\n",
        {"a": True, "b": True, "d": False},
    ),
    "fallback for another package": (
        "try:\n    from tokenizers import f\nexcept ImportError:\n    class f:\n"
        "        def __init__(self, a): ...\n",
        {"a": None, "d": None},
    ),
}


@pytest.mark.parametrize("name", SIGNATURES)
def test_signatures(name: str, world: Any) -> None:
    source, expected = SIGNATURES[name]
    here = world({"trl": {"1.0.0": {"__init__.py": source}}}, {"trl": "1.0.0"})
    assert {key: here.accepts("trl.f", key) for key in expected} == expected


def test_enum_that_a_field_is_converted_with(world: Any) -> None:
    source = (
        "from enum import Enum\nfrom dataclasses import dataclass\n"
        "class Kind(str, Enum):\n    ONE = 'one'\n    TWO = 'two'\n"
        "@dataclass\nclass Settings:\n    kind: str = 'one'\n    free: str = ''\n"
        "    def __post_init__(self):\n        self.kind = Kind(self.kind)\n"
    )
    here = world({"trl": {"1.0.0": {"__init__.py": source}}}, {"trl": "1.0.0"})
    assert here.enum_values("trl.Settings", "kind") == ("trl", {"one", "two"})
    assert here.enum_values("trl.Settings", "free") is None


def test_a_release_between_two_is_told_only_where_they_agree(world: Any) -> None:
    releases = {
        "1.0.0": {"__init__.py": "def f(a, b): ...\n"},
        "1.2.0": {"__init__.py": "def f(a, c): ...\n"},
    }
    here = world({"trl": releases}, {"trl": "1.1.0"})
    assert here.accepts("trl.f", "a") is True
    assert here.accepts("trl.f", "b") is None
    assert here.accepts("trl.f", "d") is False


def test_same_input_gives_the_same_bytes(tmp_path: Path) -> None:
    files = {"1.0.0": {"__init__.py": CASES["lazy structure"][0]["__init__.py"]}}
    table_of(tmp_path, "trl", files)
    first = (tmp_path / "trl.gz").read_bytes()
    table_of(tmp_path, "trl", files)
    assert (tmp_path / "trl.gz").read_bytes() == first


@pytest.mark.parametrize("package", tables.PACKAGES)
def test_shipped_table(package: str) -> None:
    """Every line is found by its key, and the header is whole."""
    table = tables.load(package)
    assert table is not None
    assert len(table.date) == 10
    assert len(table.versions) > 30
    for kind in "MCE":
        for name in table.names(kind)[::7]:
            assert table.line(kind, name)
    assert table.line("C", f"{package}.~") is None
    assert table.line("A", "") is None
    assert len(table.line("R", "releases")["days"]) == len(table.versions)

"""The records of the package behave as the standard dataclasses do."""

from __future__ import annotations

import copy
import dataclasses
import pickle
import subprocess
import sys
from typing import Any

import pytest

from ftdoctor import records


def _classes(module: Any) -> dict[str, Any]:
    """Make the same classes with one of the two modules."""

    @module.dataclass
    class Plain:
        a: int
        b: list[int] = module.field(default_factory=list)
        c: str = module.field(default="x", repr=False)

    @module.dataclass(frozen=True)
    class Frozen:
        a: int
        b: dict[str, int] = module.field(hash=False)
        c: str = module.field(default="", compare=False)

    @module.dataclass(frozen=True, slots=True)
    class Slotted:
        a: int
        b: str = "b"

    @module.dataclass(slots=True, eq=False)
    class ByIdentity:
        a: int = 0

    @module.dataclass
    class Child(Plain):
        d: int = 4

        def __post_init__(self) -> None:
            self.d += 1

    @module.dataclass
    class Empty:
        pass

    return {name: value for name, value in locals().items() if isinstance(value, type)}


OURS, THEIRS = _classes(records), _classes(dataclasses)
CALLS: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = [
    ("Plain", (1,), {}),
    ("Plain", (1, [2]), {"c": "z"}),
    ("Plain", (), {"c": "z", "a": 3}),
    ("Frozen", (1, {"k": 2}, "note"), {}),
    ("Slotted", (), {"a": 1}),
    ("Slotted", (1, "c"), {}),
    ("ByIdentity", (), {}),
    ("Child", (1,), {"d": 7}),
    ("Empty", (), {}),
]


@pytest.mark.parametrize(("name", "values", "named"), CALLS)
@pytest.mark.parametrize("often", [1, 40])
def test_same_fields_and_text(
    name: str, values: tuple[Any, ...], named: dict[str, Any], often: int
) -> None:
    for _ in range(often):  # before and after __init__ is compiled
        ours, theirs = OURS[name](*values, **named), THEIRS[name](*values, **named)
        assert repr(ours) == repr(theirs)
        assert dataclasses.asdict(ours) == dataclasses.asdict(theirs)
    assert [f.name for f in dataclasses.fields(ours)] == [
        f.name for f in dataclasses.fields(theirs)
    ]
    assert dataclasses.is_dataclass(ours)
    assert OURS[name].__match_args__ == THEIRS[name].__match_args__
    assert (ours == copy.deepcopy(ours)) == (theirs == copy.deepcopy(theirs))
    assert (type(ours).__hash__ is None) == (type(theirs).__hash__ is None)


@pytest.mark.parametrize("often", [0, 40])
@pytest.mark.parametrize(
    ("name", "values", "named"),
    [
        ("Plain", (), {}),
        ("Plain", (1, [], "c", 4), {}),
        ("Plain", (1,), {"a": 2}),
        ("Slotted", (1,), {"nothing": 2}),
        ("Empty", (1,), {}),
    ],
)
def test_wrong_arguments(
    name: str, values: tuple[Any, ...], named: dict[str, Any], often: int
) -> None:
    classes = _classes(records)
    for _ in range(often):
        classes["Plain"](1), classes["Slotted"](1), classes["Empty"]()
    for made in (classes[name], THEIRS[name]):
        with pytest.raises(TypeError):
            made(*values, **named)


def test_defaults_are_not_shared() -> None:
    first, second = OURS["Plain"](1), OURS["Plain"](1)
    first.b.append(2)
    assert second.b == []


def test_frozen_and_slots() -> None:
    for classes in (OURS, THEIRS):
        for record in (classes["Frozen"](1, {}), classes["Slotted"](1)):
            with pytest.raises(AttributeError):
                record.a = 2
            with pytest.raises(AttributeError):
                del record.a
        assert not hasattr(classes["Slotted"](1), "__dict__")
        with pytest.raises(AttributeError):
            classes["ByIdentity"]().other = 1


def test_comparing() -> None:
    for classes in (OURS, THEIRS):
        frozen, slotted = classes["Frozen"], classes["Slotted"]
        assert frozen(1, {}, "x") == frozen(1, {}, "y")
        assert hash(frozen(1, {}, "x")) == hash(frozen(1, {"a": 1}, "y"))
        assert len({slotted(1), slotted(1), slotted(2)}) == 2
        assert slotted(1) != (1, "b")
        assert classes["Plain"](1) != classes["Child"](1)
        assert classes["ByIdentity"]() != classes["ByIdentity"]()


def test_replace() -> None:
    for change in (records.replace, dataclasses.replace):
        for classes in (OURS, THEIRS):
            assert change(classes["Slotted"](1), b="z") == classes["Slotted"](1, "z")
            with pytest.raises(TypeError):
                change(classes["Slotted"](1), nothing=1)


def test_pickles() -> None:
    from ftdoctor.job.source import Place

    place = Place("a.yaml", 1, 2)
    assert pickle.loads(pickle.dumps(place)) == place


def test_reading_a_job_needs_no_standard_dataclasses() -> None:
    code = (
        "import sys, ftdoctor.job.model, ftdoctor.rulebook.model, ftdoctor.inspection\n"
        "assert not {'dataclasses', 'inspect', 'click'} & set(sys.modules), 'slow to start'"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from ftdoctor.job import pep440

_NUMBER = st.integers(0, 12)
_RELEASE = st.lists(_NUMBER, min_size=1, max_size=4).map(lambda p: ".".join(map(str, p)))
_SUFFIX = st.sampled_from(["", "", "", ".post1", ".post2", "+cu121", "+cpu", "rc1", ".dev3", "a2"])
VERSIONS = st.tuples(_RELEASE, _SUFFIX).map("".join)
_PUBLIC = st.tuples(_RELEASE, st.sampled_from(["", "", ".post1", "rc1"])).map("".join)
CLAUSES = st.one_of(
    st.tuples(st.sampled_from(["==", "!=", ">=", "<=", "<", ">"]), _PUBLIC).map("".join),
    st.tuples(st.sampled_from(["==", "!="]), _RELEASE).map(lambda p: f"{p[0]}{p[1]}.*"),
    st.tuples(_NUMBER, _RELEASE).map(lambda p: f"~={p[0]}.{p[1]}"),
)


@given(VERSIONS, st.lists(CLAUSES, max_size=3).map(",".join))
def test_same_answer_as_packaging(version: str, specifier: str) -> None:
    expected = SpecifierSet(specifier).contains(version, prereleases=True)
    assert pep440.matches(version, specifier) is expected


@given(VERSIONS, VERSIONS)
def test_order_as_in_packaging(left: str, right: str) -> None:
    if "+" in left or "+" in right:
        return  # local labels do not count here
    assert pep440.newer(left, right) is (Version(left) > Version(right))
    assert pep440.at_least(left, right) is (Version(left) >= Version(right))


@given(st.text(max_size=30), st.text(max_size=30))
def test_any_text_is_answered(version: str, specifier: str) -> None:
    assert pep440.matches(version, specifier) in (True, False)
    assert pep440.newer(version, specifier) in (True, False)


@pytest.mark.parametrize(
    ("specifier", "pin"),
    [
        ("==4.57.1", "4.57.1"),
        (" == 2.4.1+cu121 ", "2.4.1+cu121"),
        ("===1", "1"),
        ("==4.*", ""),
        (">=4", ""),
        ("==1,<2", ""),
        ("", ""),
    ],
)
def test_exact_pin(specifier: str, pin: str) -> None:
    assert pep440.exact_pin(specifier) == pin

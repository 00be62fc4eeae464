"""Following constants without running anything."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from ftdoctor.job.py_values import follow, parse, texts, value
from ftdoctor.job.readenv import ReadEnv
from ftdoctor.job.source import Source
from ftdoctor.job.value import Value, known

if TYPE_CHECKING:
    from ftdoctor.job.py_abstract import Obj
    from ftdoctor.job.py_run import Run


def run_of(code: str, argv: list[str] | None = None, env: ReadEnv | None = None) -> Run:
    tree = parse(code)
    assert tree is not None
    words = None if argv is None else [known(word) for word in argv]
    return follow(Source("job.py", code), tree, env, words)


def shown(code: str, argv: list[str] | None = None) -> Value[Any]:
    """Return what `show(...)` gets in the last such call."""
    call = calls(run_of(code, argv), "show")[-1]
    return value(call.args[0])


def calls(run: Run, name: str) -> list[Obj]:
    return [call for call in run.calls if call.name == name]


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("A = 'x'\nB = f'{A}/y'\nshow(B)", "x/y"),
        ("show('a' + 'b' * 2)", "abb"),
        ("show('%s-%d' % ('a', 3))", "a-3"),
        ("show('{}/{name}'.format('a', name='b'))", "a/b"),
        ("import os\nshow(os.path.join('/tmp', 'out'))", "/tmp/out"),
        ("from pathlib import Path\nshow(Path('/data') / 'x' / 'y.json')", "/data/x/y.json"),
        ("from pathlib import Path\nshow(str(Path('a/b.txt').parent))", "a"),
        ("show(4 * 3600)", 14400),
        ("show(2 ** 4 // 3)", 5),
        ("d = dict(a=1, **{'b': 2})\nd.update(c=3)\nshow(d)", {"a": 1, "b": 2, "c": 3}),
        ("d = {'x': 1}\nd['y'] = 2\nd.pop('x')\nshow(d)", {"y": 2}),
        ("xs = ['a']\nxs.append('b')\nxs += ['c']\nshow(xs)", ["a", "b", "c"]),
        ("xs = [1, 2]\nshow([*xs, 3])", [1, 2, 3]),
        ("show([f'--{k}={v}' for k, v in {'lr': 1, 'r': 8}.items()])", ["--lr=1", "--r=8"]),
        ("a, (b, *c) = 1, (2, 3, 4)\nshow([a, b, c])", [1, 2, [3, 4]]),
        ("class C:\n    model = 'm'\nshow(C.model)", "m"),
        ("class C:\n    def __init__(self, n):\n        self.n = n\nshow(C(7).n)", 7),
        (
            "from dataclasses import dataclass, field\n@dataclass\nclass C:\n    a: int = 1\n"
            "    b: list = field(default_factory=lambda: ['x'])\nshow(C().b)",
            ["x"],
        ),
        ("def f(x, y=2):\n    return x + y\nshow(f(3))", 5),
        ("def f(x):\n    if x > 1:\n        return 'big'\n    return 'small'\nshow(f(3))", "big"),
        (
            "try:\n    import q\n    S = 'fast'\nexcept ImportError:\n    S = 'slow'\nshow(S)",
            "fast",
        ),
        ("import textwrap\nshow(textwrap.dedent('''\n    a\n    b'''))", "\na\nb"),
        ("M = {'l4': 'g2', 'a100': 'a2'}\nG = 'l4'\nshow(M[G])", "g2"),
        ("import torch\nshow(torch.bfloat16)", "bfloat16"),
        ("show((lambda n: n * 2)(4))", 8),
        ("x = 1\ndef f():\n    global x\n    x = 2\nf()\nshow(x)", 2),
        ("show('A,B'.lower().split(','))", ["a", "b"]),
    ],
)
def test_known(code: str, expected: object) -> None:
    found = shown(code)
    assert found.known, found.unknown
    assert found.value == expected


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("import os\nshow(os.environ['X'])", "environment variable X of the machine that submits"),
        ("import os\nshow(os.getenv('X'))", "environment variable X"),
        ("import time\nshow(time.time())", "time of the run"),
        ("show(undefined_name)", "not defined in the file"),
        ("show(input('?'))", "input() at run time"),
        ("import sys\nshow('a' if len(sys.argv) else 'b')", "condition"),
        ("def f(x):\n    show(x)", "parameter x of f()"),
        ("x = 0\nwhile go():\n    x = x + 1\nshow(x)", "loop"),
        ("if flag():\n    x = 1\nelse:\n    x = 2\nshow(x)", "condition"),
        ("if flag():\n    x = 1\nshow(x)", "condition"),
    ],
)
def test_unknown_with_its_reason(code: str, reason: str) -> None:
    found = shown(code)
    assert not found.known
    assert reason in found.unknown


def test_what_both_branches_agree_on_stays_known() -> None:
    code = (
        "if fast():\n    m = {'type': 'a', 'n': 1}\nelse:\n    m = {'type': 'a', 'n': 2}\n"
        "show(m['type'])\nother(m['n'])"
    )
    run = run_of(code)
    assert value(calls(run, "show")[0].args[0]).value == "a"
    assert not value(calls(run, "other")[0].args[0]).known


def test_default_of_an_environment_variable_is_kept() -> None:
    found = shown("import os\nOUT = os.environ.get('OUT', '/tmp/o')\nshow(f'{OUT}/run')")
    assert not found.known
    assert found.default == "/tmp/o/run"
    assert found.raw == "{OUT}/run"


def test_a_variable_set_before_is_known() -> None:
    assert shown("import os\nos.environ['A'] = 'b'\nshow(os.environ['A'])").value == "b"


ARGPARSE = (
    "import argparse\np = argparse.ArgumentParser()\ng = p.add_argument_group('g')\n"
    "g.add_argument('--lr', '-l', type=float, default=1e-4)\n"
    "p.add_argument('--model-id', default='org/m')\np.add_argument('--fast', action='store_true')\n"
    "args = p.parse_args()\nshow([args.lr, args.model_id, args.fast])"
)


def test_argparse_without_a_command_line() -> None:
    call = calls(run_of(ARGPARSE), "show")[0]
    lr, model, fast = [value(item) for item in call.args[0].items]  # type: ignore[attr-defined]
    assert not lr.known
    assert (lr.default, model.default, fast.default) == (1e-4, "org/m", False)


def test_argparse_with_a_command_line() -> None:
    assert shown(ARGPARSE, ["-l", "0.5", "--fast"]).value == [0.5, "org/m", True]
    assert shown(ARGPARSE, ["--model-id=a/b"]).value == [1e-4, "a/b", False]


def test_click_and_typer_defaults() -> None:
    code = (
        "import click\n@click.command()\n@click.option('--n', default=4)\ndef main(n):\n    show(n)"
    )
    assert shown(code).default == 4
    code = "import typer\ndef main(n: int = typer.Option(4)):\n    show(n)\ntyper.run(main)"
    assert not shown(code).known


def test_absl_flags() -> None:
    code = (
        "from absl import flags\nFLAGS = flags.FLAGS\n"
        "_M = flags.DEFINE_string('m', 'g2', 'machine')\nshow(FLAGS.m)\nshow(_M.value)"
    )
    assert shown(code).default == "g2"
    assert shown(code, ["--m=a2"]).value == "a2"


def test_places_count_characters_and_point_at_the_literal() -> None:
    code = "π = 'é'; MODEL = 'org/m'\nshow(MODEL)"
    place = shown(code).place
    assert place is not None
    assert (place.line, place.column, place.end_column) == (1, 18, 25)


def test_a_function_called_twice_gives_two_calls() -> None:
    run = run_of("def go(m):\n    start(model=m)\ngo('a')\ngo('b')")
    assert [value(c.kwargs["model"]).value for c in calls(run, "start")] == ["a", "b"]


def test_fallbacks_are_marked() -> None:
    run = run_of("try:\n    new(a=1)\nexcept TypeError:\n    old(b=1)")
    assert [call.fallback for call in run.calls] == [False, True]


def test_a_module_beside_the_file_is_followed(tmp_path: Any) -> None:
    (tmp_path / "settings.py").write_text("MODEL = 'org/m'\nclass Conf:\n    lr = 2\n")
    env = ReadEnv.beside(str(tmp_path / "job.py"))
    code = "import settings\nfrom settings import Conf\nshow([settings.MODEL, Conf.lr])"
    call = calls(run_of(code, env=env), "show")[0]
    assert value(call.args[0]).value == ["org/m", 2]


def test_yaml_beside_the_file_is_read(tmp_path: Any) -> None:
    (tmp_path / "c.yaml").write_text("train:\n  lr: 0.5\n  name: x\n")
    env = ReadEnv.beside(str(tmp_path / "job.py"))
    code = (
        "import yaml\nwith open('c.yaml') as f:\n    c = yaml.safe_load(f)\nshow(c['train']['lr'])"
    )
    found = value(calls(run_of(code, env=env), "show")[0].args[0])
    assert found.value == 0.5
    assert found.place is not None
    assert found.place.path.endswith("c.yaml")
    assert found.place.line == 2


def test_inputs_that_would_run_forever_end() -> None:
    assert run_of("def f(n):\n    return f(n + 1)\nshow(f(1))").calls
    assert run_of("x = " + "(" * 80 + "1" + ")" * 80 + "\nshow(x)").calls
    deep = "x = " + "[" * 85 + "]" * 85
    assert run_of(deep + "\nshow(1)") is not None
    many = "\n".join(f"x{i} = {i} * 2" for i in range(60_000))
    assert run_of(many).stopped


def test_texts_of_an_open_list() -> None:
    run = run_of("xs = ['a', *more()]\nshow(xs)")
    found = texts(calls(run, "show")[0].args[0])
    assert found[0].value == "a"
    assert not found[1].known

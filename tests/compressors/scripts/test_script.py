"""Scripts as values and as text."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mturk_eval.compressors.scripts import Script, format_script, parse_script, use
from mturk_eval.compressors.scripts.errors import OperationError, ScriptError
from mturk_eval.compressors.scripts.operations import SIGNATURES
from mturk_eval.compressors.scripts.source import LONGEST_SCRIPT
from tests.compressors.scripts.samples import LETTERS, scripts

NAMES = st.text(st.sampled_from(LETTERS), min_size=1, max_size=12)


@given(script=NAMES.flatmap(lambda name: scripts((name, 'a "quoted" \\ name\n'))))
def test_a_script_is_written_and_read_back_equal(script: Script) -> None:
    assert parse_script(format_script(script)) == script


def test_what_a_describer_writes_is_what_the_api_builds() -> None:
    text = (
        "# A comment, and lines as Python wraps them.\n"
        'canvas(480, 320, "#1A2B3C")\n\n'
        'use("sky.png").resize(480, 320).place()\n'
        '(use("tree.png")  # twice\n'
        '    .resize(40).flip("left-right").place(60, 200,)\n'
        '    .rotate(-2.5).blur(1.5).opacity(80).tint("#204010", 30).place(-4, 0x10))\n'
    )
    tree = use("tree.png").resize(40).flip("left-right").place(60, 200).rotate(-2.5).blur(1.5)
    expected = Script(
        width_px=480,
        height_px=320,
        colour="#1a2b3c",
        layers=(
            use("sky.png").resize(480, 320).place(),
            tree.opacity(80).tint("#204010", 30).place(-4, 16),
        ),
    )
    assert parse_script(text) == expected


def test_the_examples_of_the_docs_hold(capsys: pytest.CaptureFixture[str]) -> None:
    page = Path(__file__).parents[3] / "docs" / "compressors" / "scripts.md"
    script, program = re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL)
    assert parse_script(script).n_operations == 13
    exec(program, {})
    assert parse_script(capsys.readouterr().out).n_operations == 13
    for name, signature in SIGNATURES.items():
        assert re.search(rf"`{name}\(.*\| `{signature.letter}` \|", page.read_text()), name


def test_building_a_script_draws_nothing_and_changes_nothing() -> None:
    star = use("nowhere.png")
    assert star.place(1, 2).operations != star.operations == ()


def test_overloads_that_mean_the_same_are_equal() -> None:
    a = use("a")
    assert a.blur(2, 2) == a.blur(2)
    assert a.tint("#102030", 50) == a.tint("#102030")
    assert a.resize(5) != a.resize(5, 5)
    assert a.place() != a.place(0, 0)


@pytest.mark.parametrize(
    ("text", "line", "column", "problem"),
    [
        ("", 1, 1, "no canvas"),
        ('use("a").place()', 1, 1, "canvas.* must come first"),
        ("canvas(1, 1)\ncanvas(1, 1)", 2, 1, "stands once"),
        ('canvas(1, 1)\nuse("a")', 2, 1, "never placed"),
        ('canvas(1, 1)\nuse("a").order(1).order(2).place()', 2, 1, "two orders"),
        ('canvas(1, 1)\nuse("a").place(1)', 2, 10, "place takes 0 or 2 parameters"),
        ('canvas(1, 1)\nuse("a").wobble(1).place()', 2, 10, "wobble is no operation"),
        ('canvas(1, 1)\nuse("a").canvas(1, 1).place()', 2, 10, "done to no element"),
        ('canvas(1, 1)\nuse("a").opacity(101).place()', 2, 10, "not from 0 to 100"),
        ('canvas(1, 1)\nuse("a").rotate(0.25).place()', 2, 10, "only steps of 0.1"),
        ('canvas(1, 1)\nuse("a").rotate(1e999).place()', 2, 10, "not a number"),
        ('canvas(1, 1)\nuse("a").tint("red").place()', 2, 10, "not written #rrggbb"),
        ('canvas(1, 1)\nuse("a").flip("up").place()', 2, 10, "is not 'left-right' or"),
        ('canvas(1, 1)\nuse("a").resize("5").place()', 2, 10, "not a number"),
        ("canvas(1, 1)\nuse(5).place()", 2, 1, "the name of an element"),
        ("canvas(1, 20000)", 1, 1, "not from 1 to 16384"),
        ("canvas(1, 2j)", 1, 11, "neither a number nor a text"),
        ("canvas(1 1)", 1, 10, r"`\)` is expected"),
        ("canvas(width=1, height=1)", 1, 8, "a number or a string"),
        ("canvas(1, 1", 1, 11, "not Python's syntax"),
        ("  canvas(1, 1)", 1, 1, "a name is expected"),
        ('canvas(1, 1); use("a").place()', 1, 13, "end of the line"),
        (f"canvas(1, {'9' * 5000})", 1, 11, "neither a number"),
        (" " * (LONGEST_SCRIPT + 1), 1, 1, "are read at most"),
        ('canvas(1, 1)\nuse(f"{1}").place()', 2, 5, "a text|a string"),
        ('canvas(1, 1)\nuse(b"a").place()', 2, 5, "neither a number nor a text"),
        ("canvas(1, 1)\x00", 1, 13, "expected here|syntax"),
    ],
)
def test_what_is_no_script_is_refused_at_its_place(
    text: str, line: int, column: int, problem: str
) -> None:
    with pytest.raises(ScriptError, match=problem) as caught:
        parse_script(text)
    assert (caught.value.line, caught.value.column) == (line, column)
    assert str(caught.value).startswith(f"line {line}, column {column}: ")


@pytest.mark.parametrize(
    "text",
    [
        "import os",
        "canvas(__import__('os').getpid(), 1)",
        "canvas(1, 1)\nopen('/etc/passwd')",
        "canvas(1, 1)\nuse('a').__class__()",
        "canvas(1, 1)\nuse('a').place(*[1, 2])",
        "canvas(1, 1)\nuse('a').place((lambda: 1)(), 2)",
        "canvas(1, 9 ** 9)",
        "for i in range(9): use('a').place(i, i)",
    ],
)
def test_a_script_is_read_and_never_run(text: str) -> None:
    with pytest.raises(ScriptError):
        parse_script(text)


@given(text=st.text(st.sampled_from("canvsuepl(),.\"-12#f \n\t\\'\x00")))
def test_any_text_is_a_script_or_is_refused(text: str) -> None:
    try:
        script = parse_script(f"canvas(9, 9)\n{text}")
    except ScriptError:
        return
    assert parse_script(format_script(script)) == script


def test_a_chain_of_any_length_is_read() -> None:
    chain = ".place(1, 2)" * 8_000
    assert parse_script(f'canvas(9, 9)\nuse("a"){chain}\n').n_operations == 8_000


def test_a_script_built_wrongly_is_refused() -> None:
    with pytest.raises(OperationError, match="never placed"):
        Script(width_px=1, height_px=1, layers=(use("a").resize(3),))
    with pytest.raises(OperationError, match="width in pixels"):
        Script(width_px=0, height_px=1)
    with pytest.raises(OperationError, match="done to no element"):
        use("a").then("canvas", 1, 1)

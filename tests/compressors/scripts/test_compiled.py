"""The command language: compact, exact, and safe to read from anybody."""

from __future__ import annotations

import dataclasses
from contextlib import suppress

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mturk_eval.compressors.scripts import (
    Element,
    ElementLibrary,
    Script,
    compile_script,
    decompile,
    parse_script,
    use,
)
from mturk_eval.compressors.scripts.compiled import LONGEST_COMPILED
from mturk_eval.compressors.scripts.errors import CompiledScriptError, LibraryError
from tests.compressors.scripts.samples import scripts

LIBRARY = ElementLibrary(
    elements=tuple(
        Element(id=number, name=name, sha256=f"{number:064x}")
        for number, name in ((0, "hill.png"), (7, "tree.png"), (0xABC, "far/away.webp"))
    )
)
NAMES = tuple(element.name for element in LIBRARY.elements)


def head(*ids: int) -> bytes:
    return b"h1k" + LIBRARY.mark(ids).encode()


@given(script=scripts(NAMES))
def test_a_script_is_compiled_and_decompiled_equal(script: Script) -> None:
    compiled = compile_script(script, LIBRARY)
    assert decompile(compiled, LIBRARY) == script
    assert set(compiled) <= set(b"0123456789abcdefghijklmnopqrstuvwxyz,-")


def test_each_command_is_a_letter_and_hexadecimal_numbers() -> None:
    script = parse_script(
        'canvas(480, 320, "#0a0b0c")\n'
        'use("tree.png").resize(60).resize(60, 210).rotate(-2.5).flip("top-bottom")'
        '.crop(0, 1, 20, 30).blur(1.5).blur(1, 2).opacity(40).tint("#ff0000").tint("#00ff00", 9)'
        ".place().place(-5, 200).order(-3)\n"
    )
    assert compile_script(script, LIBRARY) == head(7) + (
        b"g1e0,140,a0b0cu7s3cs3c,d2r-19m1x0,1,14,1elfla,14o28tff0000tff00,9pp-5,c8z-3"
    )


@given(data=st.binary(max_size=60))
@example(b"")
def test_any_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(CompiledScriptError):
        decompile(data, LIBRARY)


@given(commands=st.text(st.sampled_from("gusrmxlotpz0127abcf,-"), max_size=40))
def test_any_commands_are_exactly_one_script_or_are_refused(commands: str) -> None:
    """What is read compiles to the very same bytes: a script has one compiled form."""
    data = head(7) + b"g9,9u7" + commands.encode()
    try:
        script = decompile(data, LIBRARY)
    except (CompiledScriptError, LibraryError):
        return
    assert compile_script(script, LIBRARY) == data


@given(script=scripts(NAMES), place=st.integers(0, 200), byte=st.integers(0, 255))
def test_a_changed_byte_is_refused_or_is_another_script(
    script: Script, place: int, byte: int
) -> None:
    compiled = bytearray(compile_script(script, LIBRARY))
    place %= len(compiled)
    if compiled[place] == byte:
        return
    compiled[place] = byte
    with suppress(CompiledScriptError, LibraryError):
        assert decompile(bytes(compiled), LIBRARY) != script


@pytest.mark.parametrize(
    ("commands", "position", "problem"),
    [
        (b"", 11, "the canvas must come first"),
        (b"u7p", 11, "the canvas must come first"),
        (b"g9,9p", 15, "no element is in use"),
        (b"g9,9u7", 15, "never placed"),
        (b"g9,9u7pq", 18, "q is no command"),
        (b"g9,9u7pg9,9", 15, "the canvas stands at the beginning"),
        (b"g9,9up", 15, "u takes one number"),
        (b"g9,9u7,7p", 15, "u takes one number"),
        (b"g9,9u7p1", 17, "place takes 0 or 2"),
        (b"g9,9u7p01,2", 18, "01 is no number"),
        (b"g9,9u7p1,", 20, "nothing is no number"),
        (b"g9,9u7p1,-0", 20, "-0 is no number"),
        (b"g9,9u7p1,1234567", 20, "1234567 is no number"),
        (b"g9,9u7p1,ffffff", 17, "not from -16384 to 16384"),
        (b"g9,9u7l5,5p", 17, "not in its shortest form, l5"),
        (b"g9,9,0", 11, "not in its shortest form, g9,9"),
        (b"g9,9u7P", 17, "b'P' begins no command"),
        (b"g9,9u7p\n", 18, "begins no command"),
        (b"g9,9u7z1z2p", 15, "two orders"),
    ],
)
def test_a_refusal_says_at_which_byte(commands: bytes, position: int, problem: str) -> None:
    with pytest.raises(CompiledScriptError, match=problem) as caught:
        decompile(head(7) + commands, LIBRARY)
    assert caught.value.position == position


def test_another_version_or_another_file_is_named() -> None:
    with pytest.raises(CompiledScriptError, match="version 2; this reads version 1"):
        decompile(b"h2k00000000g1,1", LIBRARY)
    with pytest.raises(CompiledScriptError, match="not a compiled script"):
        decompile(b"\x89PNG\r\n", LIBRARY)


def test_the_longest_script_is_read_and_no_longer_one() -> None:
    layer = b"u7" + b"p" * 20_000
    longest = head(7) + b"g9,9" + layer
    assert decompile(longest, LIBRARY).n_operations == 20_000
    with pytest.raises(CompiledScriptError, match="are read at most"):
        decompile(longest.ljust(LONGEST_COMPILED + 1, b"p"), LIBRARY)


def test_elements_are_known_by_what_they_are() -> None:
    """A library may grow; an element that is another, or missing, is told."""
    script = Script(width_px=9, height_px=9, layers=(use("tree.png").place(),))
    compiled = compile_script(script, LIBRARY)
    grown = ElementLibrary(
        elements=(*LIBRARY.elements, Element(id=8, name="new.png", sha256="f" * 64))
    )
    assert decompile(compiled, grown) == script
    tree = next(e for e in LIBRARY.elements if e.name == "tree.png")
    other = ElementLibrary(elements=(dataclasses.replace(tree, sha256="e" * 64),))
    with pytest.raises(LibraryError, match="compiled with other elements"):
        decompile(compiled, other)
    with pytest.raises(LibraryError, match="Element 7 is not in"):
        decompile(compiled, ElementLibrary(elements=()))
    with pytest.raises(LibraryError, match=r"palm\.png is not in"):
        compile_script(Script(width_px=9, height_px=9, layers=(use("palm.png").place(),)), LIBRARY)

"""Prompts are files; a study's own are checked before anything is asked."""

from __future__ import annotations

from pathlib import Path

import pytest

from mturk_eval.compressors.micro_bpp import PromptError, load_prompts
from mturk_eval.compressors.micro_bpp.prompts import BLANKS


def test_every_step_has_a_prompt_with_its_blanks() -> None:
    prompts = load_prompts()
    assert set(prompts.texts) == set(BLANKS)
    for step, blanks in BLANKS.items():
        filled = prompts.fill(step, **{blank: f"<{blank}>" for blank in blanks})
        assert "$" not in filled
        assert all(f"<{blank}>" in filled for blank in blanks)


def test_one_prompt_describes_the_original_and_what_was_made() -> None:
    """Sizes in four classes, places and colours, as the paper asks."""
    describe = load_prompts().fill("describe")
    for asked in ("small, medium, large or huge", "where the objects are", "colours"):
        assert asked in describe


def test_a_studys_own_prompt_takes_the_place_of_ours(tmp_path: Path) -> None:
    (tmp_path / "change.txt").write_text("Nur dies: ${change} ($$5)")
    prompts = load_prompts(tmp_path)
    assert prompts.fill("change", change="roter Himmel") == "Nur dies: roter Himmel ($5)"
    assert prompts.texts["expand"] == load_prompts().texts["expand"]
    assert prompts.digest != load_prompts().digest


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("describes.txt", "x", "no step has this name"),
        ("change.txt", " \n", "is empty"),
        ("change.txt", "do it", r"\$\{change\} is missing"),
        ("change.txt", "${change} ${image}", r"nothing fills in \$\{image\}"),
        ("change.txt", "${change} for 5 $", "write it as"),
    ],
)
def test_a_wrong_prompt_is_named(tmp_path: Path, name: str, text: str, said: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(PromptError, match=said) as raised:
        load_prompts(tmp_path)
    assert name in str(raised.value)


def test_a_folder_without_prompts_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(PromptError, match="no prompts"):
        load_prompts(tmp_path)
    with pytest.raises(PromptError, match="not a folder"):
        load_prompts(tmp_path / "nowhere")

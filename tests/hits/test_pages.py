"""Pages: what is in them, what never is, and how large they get."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import jinja2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mturk_eval.config import DEFAULT_WORDING, Wording
from mturk_eval.errors import HostingError, ImageError, PageTooLargeError, TemplateError
from mturk_eval.hits.pages import check_pages, question_xml, render_page
from mturk_eval.hits.preview import write_previews
from mturk_eval.hits.responses import answer_field, valid_answers
from mturk_eval.hits.templates import load_templates
from mturk_eval.trials import HitSpec, Kind, Role, Stimulus, Trial
from mturk_eval.wire.answers import clean_text
from mturk_eval.wire.limits import QUESTION_BYTES
from mturk_eval.wire.question import HtmlQuestion, parse_question
from tests.hits.marketplace import choice, rating

KINDS: tuple[Kind, ...] = ("satisfaction", "2afc")
# As long as the URL of an image in a bucket gets.
BASE = "https://a-rather-long-bucket.s3.us-east-1.amazonaws.com/images/"


def trials(kind: Kind, n: int) -> tuple[Trial, ...]:
    return tuple(rating(i) if kind == "satisfaction" else choice(i) for i in range(n))


def urls(hit: HitSpec) -> dict[str, str]:
    return {s.sha256: f"{BASE}{s.sha256}.png" for trial in hit.trials for s in trial.stimuli}


def page(
    kind: Kind, templates: jinja2.Environment, *, n: int = 2, wording: Wording | None = None
) -> str:
    hit = HitSpec(name="hit-1", trials=trials(kind, n))
    return render_page(hit, kind, wording or DEFAULT_WORDING[kind], urls(hit), templates)


class Reader(HTMLParser):
    """What a simple client sees: texts, and radios and images per trial."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.texts: list[str] = []
        self.radios: list[tuple[str, str, bool]] = []
        self.images: list[str] = []
        self.trials: list[str] = []
        self.forms: list[dict[str, str | None]] = []
        self.tags: set[str] = set()
        self.references: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.tags.add(tag)
        if tag == "fieldset":
            self.trials.append(values["data-trial-id"] or "")
        if tag == "form":
            self.forms.append(values)
        if tag == "img":
            self.images.append(values["src"] or "")
        elif values.get("src") or values.get("href"):
            self.references.append(values.get("src") or values.get("href") or "")
        if values.get("type") == "radio":
            self.radios.append((values["name"] or "", values["value"] or "", "checked" in values))

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


@pytest.mark.parametrize("kind", KINDS)
def test_radios_and_images_are_in_the_html(kind: Kind, templates: jinja2.Environment) -> None:
    """A client without a script engine can answer, and the names are those we read."""
    wording = DEFAULT_WORDING[kind].model_copy(update={"not_sure": True})
    seen = Reader(page(kind, templates, wording=wording))
    shown = trials(kind, 2)
    offered = {(name, value) for name, value, _ in seen.radios}
    assert offered == {(answer_field(t), answer) for t in shown for answer in valid_answers(t)}
    assert not any(checked for *_, checked in seen.radios)
    assert seen.trials == [trial.id for trial in shown]
    assert seen.images == [f"{BASE}{s.sha256}.png" for trial in shown for s in trial.stimuli]
    (form,) = seen.forms
    assert form["action"] == "https://www.mturk.com/mturk/externalSubmit"
    assert (form["method"], form["id"]) == ("post", "mturk_form")


def test_not_sure_is_offered_only_where_the_study_wants_it(templates: jinja2.Environment) -> None:
    assert {value for _, value, _ in Reader(page("2afc", templates)).radios} == {"left", "right"}


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_that_could_bias_a_rater_is_in_a_page(
    kind: Kind, templates: jinja2.Environment
) -> None:
    """Roles, methods, rates, encoders and names of every stimulus and trial stay out."""

    def marked(stimulus: Stimulus) -> Stimulus:
        return replace(
            stimulus,
            id="SENTINEL-id",
            image="SENTINEL-image",
            method="SENTINEL-method",
            target_bpp=0.918273,
            bpp=0.817263,
            bytes=71_625_344,
            encoded_path="SENTINEL-encoded",
            encoder="SENTINEL-encoder",
            settings="SENTINEL-settings",
            path=f"SENTINEL-folder/{stimulus.sha256}.png",
        )

    roles: tuple[Role, ...] = ("practice", "main", "catch", "repeat", "identical")
    shown: list[Trial] = []
    for trial, role in zip(trials(kind, len(roles)), roles, strict=True):
        changes: dict[str, Any] = {
            name: marked(getattr(trial, name))
            for name in ("original", "reconstruction", "left", "right")
            if hasattr(trial, name)
        }
        shown.append(replace(trial, role=role, **changes))
    hit = HitSpec(name="SENTINEL-hit", trials=tuple(shown))
    html = render_page(hit, kind, DEFAULT_WORDING[kind], urls(hit), templates)
    for secret in (
        "SENTINEL",
        "0.918273",
        "0.817263",
        "71625344",
        "practice",
        "identical",
        "catch trial",
        "expected",
    ):
        assert secret not in html
    markup = re.sub(r"<(script|style)>.*?</\1>", "", html, flags=re.DOTALL)
    assert not set(roles) & set(re.findall(r"\w+", markup)) - {"main"}  # <main> is an element


@pytest.mark.parametrize("kind", KINDS)
def test_a_page_needs_nothing_from_elsewhere(kind: Kind, templates: jinja2.Environment) -> None:
    html = page(kind, templates)
    assert not Reader(html).references
    assert not re.search(
        r"@import|url\(|localStorage|sessionStorage|cookie|getImageData|toDataURL|fetch\(", html
    )


@pytest.mark.parametrize("kind", KINDS)
def test_twenty_trials_fit_into_a_question(kind: Kind, templates: jinja2.Environment) -> None:
    html = page(kind, templates, n=20)
    xml = question_xml(html)
    assert len(xml.encode()) < QUESTION_BYTES
    assert len(xml.encode()) < 60_000
    assert parse_question(xml) == HtmlQuestion(html, frame_height_px=0)


@pytest.mark.parametrize("kind", KINDS)
def test_raters_read_of_tasks(kind: Kind, templates: jinja2.Environment) -> None:
    """As the worker site calls them: "HIT" is the researcher's word."""
    markup = re.sub(r"<(script|style)>.*?</\1>", "", page(kind, templates), flags=re.DOTALL)
    assert not re.search(r"\bHITs?\b", "".join(Reader(markup).texts))


def test_a_page_over_the_limit_is_refused_by_name(templates: jinja2.Environment) -> None:
    with pytest.raises(PageTooLargeError, match="hit-17 has"):
        question_xml(page("2afc", templates, n=60), hit="hit-17")


@pytest.mark.parametrize("kind", KINDS)
def test_a_batch_is_checked_before_its_images_have_addresses(
    kind: Kind, templates: jinja2.Environment
) -> None:
    fits, too_large = (HitSpec(name=f"hit-{n}", trials=trials(kind, n)) for n in (20, 60))
    check_pages([fits], kind, DEFAULT_WORDING[kind], templates)
    with pytest.raises(PageTooLargeError, match="hit-60 has"):
        check_pages([fits, too_large], kind, DEFAULT_WORDING[kind], templates)


def test_the_limit_is_of_bytes_and_exact() -> None:
    frame = len(HtmlQuestion("").to_xml())
    assert question_xml("ä" * ((QUESTION_BYTES - frame) // 2))
    with pytest.raises(PageTooLargeError):
        question_xml("ä" * ((QUESTION_BYTES - frame) // 2 + 1))


# Surrogates are not characters, and no file of settings can hold one.
texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=60)
nasty = texts | st.sampled_from(
    [
        "</script><script>alert(1)</script>",
        '" onload="x',
        "]]>",
        "{{ hit }}",
        "{% raw %}",
        "\x00\x0b",
        "\ufffe",
    ]
)


@pytest.mark.parametrize("kind", KINDS)
@given(question=nasty, instructions=nasty, anchor=nasty, contact=nasty)
def test_wording_is_text_whatever_it_says(
    kind: Kind,
    templates: jinja2.Environment,
    question: str,
    instructions: str,
    anchor: str,
    contact: str,
) -> None:
    """Any Unicode is shown as it is, adds no element, and survives the question XML."""
    wording = Wording(
        title="t",
        description="d",
        question=question,
        instructions=instructions,
        low_anchor=anchor,
        high_anchor=anchor,
        contact=contact,
    )
    html = page(kind, templates, n=1, wording=wording)
    seen, plain = Reader(html), Reader(page(kind, templates, n=1))
    assert seen.tags <= plain.tags
    assert len(seen.radios) == len(plain.radios)
    assert clean_text(question) in seen.texts
    question_read = parse_question(question_xml(html))
    assert isinstance(question_read, HtmlQuestion)
    assert question_read.html == html


def test_an_image_without_a_url_is_an_error(templates: jinja2.Environment) -> None:
    hit = HitSpec(name="h", trials=(rating(1),))
    with pytest.raises(HostingError, match="stimulus o1"):
        render_page(hit, "satisfaction", DEFAULT_WORDING["satisfaction"], {}, templates)


class TestAStudysOwnTemplates:
    def write(self, folder: Path, text: str, name: str = "2afc.html.j2") -> jinja2.Environment:
        (folder / "hit_templates").mkdir()
        (folder / "hit_templates" / name).write_text(text, encoding="utf-8")
        return load_templates(folder)

    def test_come_first(self, tmp_path: Path) -> None:
        assert page("2afc", self.write(tmp_path, "mine {{ hit.trials[0].id }}")) == "mine c0000000"

    def test_can_change_one_block_of_the_shipped_one(self, tmp_path: Path) -> None:
        text = '{% extends "shipped/2afc.html.j2" %}{% block keys %}no keys{% endblock %}'
        html = page("2afc", self.write(tmp_path, text))
        assert "no keys" in html
        assert Reader(html).trials == ["c0000000", "c0000001"]

    def test_can_change_what_every_page_shares(self, tmp_path: Path) -> None:
        html = page("2afc", self.write(tmp_path, "{# none #}", "page.css"))
        assert "BT.500" not in html
        assert "#6b6b6b" not in html

    @pytest.mark.parametrize(
        ("text", "line", "why"),
        [
            ("a\n{{ trial.method }}", 2, "'trial' is undefined"),
            ("a\n\n{{ hit.trials[0].role }}", 3, "no attribute 'role'"),
            ("{% if %}", 1, "Expected an expression"),
            ("a\nb\nc {{ 1 / 0 }}", 3, "division by zero"),
        ],
    )
    def test_fail_with_file_and_line(self, tmp_path: Path, text: str, line: int, why: str) -> None:
        templates = self.write(tmp_path, text)
        with pytest.raises(TemplateError) as caught:
            page("2afc", templates)
        place = f"{tmp_path / 'hit_templates' / '2afc.html.j2'}, line {line}: "
        assert str(caught.value).startswith(place)
        assert why in str(caught.value)

    def test_must_be_utf_8(self, tmp_path: Path) -> None:
        templates = self.write(tmp_path, "")
        (tmp_path / "hit_templates" / "2afc.html.j2").write_bytes(b"\xff\xfe")
        with pytest.raises(TemplateError, match="utf-8"):
            page("2afc", templates)

    def test_must_find_what_they_include(self, tmp_path: Path) -> None:
        with pytest.raises(TemplateError, match=r"logo\.svg is neither"):
            page("2afc", self.write(tmp_path, '{% include "logo.svg" %}'))


class TestPreviews:
    def test_are_files_that_need_no_server(
        self, tmp_path: Path, templates: jinja2.Environment
    ) -> None:
        images = tmp_path / "images with spaces"
        images.mkdir()
        hits = [HitSpec(name=f"h{n}", trials=(rating(n), rating(n + 100))) for n in range(12)]
        for shown in {s.path for hit in hits for trial in hit.trials for s in trial.stimuli}:
            (images / Path(shown).name).touch()
        index, *pages = write_previews(
            hits,
            "satisfaction",
            DEFAULT_WORDING["satisfaction"],
            images,
            tmp_path / "out",
            templates,
        )
        assert [file.name for file in pages] == [f"h{n}.html" for n in range(12)]
        assert Reader(index.read_text("utf-8")).references == [file.name for file in pages]
        for file, hit in zip(pages, hits, strict=True):
            seen = Reader(file.read_text("utf-8"))
            assert seen.trials == [trial.id for trial in hit.trials]
            assert all(url.startswith((images.as_uri() + "/",)) for url in seen.images)

    def test_name_a_missing_image(self, tmp_path: Path, templates: jinja2.Environment) -> None:
        hits = [HitSpec(name="h", trials=(rating(1),))]
        with pytest.raises(ImageError, match="missing"):
            write_previews(
                hits,
                "satisfaction",
                DEFAULT_WORDING["satisfaction"],
                tmp_path,
                tmp_path / "out",
                templates,
            )
        assert not (tmp_path / "out").exists()

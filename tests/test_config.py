"""Settings: option over environment over file over default, and every mistake named."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from mturk_eval.config import load_settings
from mturk_eval.errors import SettingsError

ROOT = Path(__file__).parents[1]


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def write(text: str) -> Path:
    Path("mturk_eval.toml").write_text(text)
    return Path("mturk_eval.toml")


def test_defaults_are_our_own_server() -> None:
    settings = load_settings(environment={})
    assert settings.endpoint_url == "http://127.0.0.1:8765"
    assert (settings.hosting, settings.fee_schedule) == ("server", "none")
    assert settings.ledger == "sqlite:///mturk_eval.db"


def test_each_source_wins_over_the_next() -> None:
    write('ledger = "file"\nendpoint = "http://file"\nhosting = "https://file"\n')
    settings = load_settings(
        options={"endpoint": "http://option", "hosting": None},
        environment={"MTURK_EVAL_ENDPOINT": "http://env", "MTURK_EVAL_LEDGER": "env"},
    )
    assert (settings.endpoint, settings.ledger, settings.hosting) == (
        "http://option",
        "env",
        "https://file",
    )


def test_a_nested_setting_from_the_environment() -> None:
    write("[payment]\nreward_usd = 0.10\nbudget_usd = 5\n")
    payment = load_settings(environment={"MTURK_EVAL_PAYMENT__REWARD_USD": "0.25"}).payment
    assert (payment.reward_usd, payment.budget_usd) == (Decimal("0.25"), Decimal(5))


def test_money_typed_as_a_float_is_exact() -> None:
    write("[payment]\nreward_usd = 0.1\n")
    assert load_settings(environment={}).payment.reward_usd == Decimal("0.1")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("enpoint = 'local'", "mturk_eval.toml: unknown key `enpoint`; is it misspelt?"),
        ("[payment]\nreward_usd = -1", "`payment.reward_usd` = -1: .*greater than or equal to 0"),
        ("[payment]\nreward_usd = 0.305", "2 decimal places"),
        ("[hit]\nassignments = 'ten'", "`hit.assignments` = 'ten'"),
        ("fees = 'some'", "`fees` = 'some'"),
        ("[payment", "not a readable TOML file"),
    ],
)
def test_a_mistake_in_the_file_is_named(text: str, message: str) -> None:
    write(text)
    with pytest.raises(SettingsError, match=message):
        load_settings(environment={})


def test_a_file_asked_for_must_be_there() -> None:
    with pytest.raises(SettingsError, match=r"other\.toml does not exist"):
        load_settings(Path("other.toml"), environment={})


@pytest.mark.parametrize("endpoint", ["lokal", "ftp://x", ""])
def test_an_endpoint_is_a_name_or_a_url(endpoint: str) -> None:
    with pytest.raises(SettingsError, match="neither local, sandbox"):
        _ = load_settings(options={"endpoint": endpoint}, environment={}).endpoint_url


def test_amazons_endpoints_have_amazons_fees() -> None:
    for endpoint, fees in (("sandbox", "mturk"), ("production", "mturk"), ("http://x", "none")):
        assert load_settings(options={"endpoint": endpoint}, environment={}).fee_schedule == fees
    chosen = load_settings(options={"endpoint": "sandbox", "fees": "none"}, environment={})
    assert chosen.fee_schedule == "none"


def test_a_study_changes_what_it_names_in_the_wording() -> None:
    write("[two_afc]\nnot_sure = true\nquestion = 'Which?'\n")
    settings = load_settings(environment={})
    wording = settings.wording("2afc")
    assert (wording.not_sure, wording.question) == (True, "Which?")
    assert wording.title == "Which picture is closer to the original?"
    assert settings.wording("satisfaction").low_anchor == "completely unsatisfied"


def test_the_sandbox_configuration_is_valid_and_local_as_it_stands() -> None:
    settings = load_settings(ROOT / "sandbox_config.toml", environment={})
    assert settings.endpoint_url == "http://127.0.0.1:8765"
    marked = [
        line.split("=")[0].strip()
        for line in (ROOT / "sandbox_config.toml").read_text().splitlines()
        if "# CHANGE" in line
    ]
    assert marked == ["endpoint", "hosting"]


def test_variables_of_other_parts_are_no_settings() -> None:
    load_settings(environment={"MTURK_EVAL_SERVER_KEYS": "a:b", "MTURK_EVAL_BACKBONE": "x"})

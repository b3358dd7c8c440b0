"""Every command, its JSON and its exit codes: 0 fine, 1 failed, 2 wrong usage or invalid input."""

from __future__ import annotations

import csv
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import Cli
from tests.samples import write_study

FOLDERS = ("--originals", "originals", "--reconstructions", "reconstructions")


@pytest.fixture
def images(tmp_path: Path) -> None:
    write_study(tmp_path, images=4)


def test_help_names_what_works() -> None:
    command = [sys.executable, "-m", "mturk_eval", "--help"]
    shown = subprocess.run(command, capture_output=True, text=True, check=True)
    for name in (
        *("init", "check", "preview", "cost", "serve", "generate", "publish", "collect"),
        *(
            "status",
            "analyze",
            "power",
            "report",
            "export",
            "simulate",
            "demo",
            "stimuli",
            "metric",
        ),
    ):
        assert re.search(rf"^  {name} ", shown.stdout, re.MULTILINE), name


def test_help_loads_no_heavy_library() -> None:
    code = (
        "import sys; sys.argv = ['mturk-eval', '--help']\n"
        "from mturk_eval.cli import main\n"
        "try: main()\nexcept SystemExit: pass\n"
        "heavy = {'numpy', 'pandas', 'matplotlib', 'statsmodels', 'scipy', 'boto3', 'sqlalchemy',"
        " 'PIL', 'starlette', 'pydantic', 'torch'}\n"
        "sys.exit(f'loaded: {heavy & set(sys.modules)}' if heavy & set(sys.modules) else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_an_interrupt_before_any_work_is_one_sentence() -> None:
    code = (
        "import mturk_eval.cli.app as module\n"
        "def interrupted(**_): raise KeyboardInterrupt\n"
        "module.app = interrupted\n"
        "from mturk_eval.cli import main\n"
        "main()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (130, "Error: stopped.\n")


def test_version(cli: Cli) -> None:
    assert re.fullmatch(r"mturk-eval \d+\.\d+\.\d+\n", cli("--version").out)


def test_a_study_from_images_to_numbers(cli: Cli, images: None, endpoint: str) -> None:
    made = cli("generate", "satisfaction", *FOLDERS, "--out", "batch", "--assignments", 5, "--json")
    assert (made.code, made.json["hits"], made.json["trials"]) == (0, 1, 8)

    assert cli("check", "batch", "--json").json["ok"] is True
    cost = cli("cost", "batch", "--target-hourly", "12", "--json").json
    assert (cost["total_usd"], cost["fees"], cost["responses"]) == ("1.50", "none", 40)
    assert cost["reward_for_target_hourly_usd"] == "0.40"  # 8 trials of 15 s

    plan = cli("publish", "batch", "--dry-run", "--json").json
    assert (plan["hits_to_post"], plan["endpoint"]) == (1, endpoint)
    assert cli("publish", "batch", "--yes", "--json").json["hits_posted"] == 1
    assert cli("publish", "batch", "--yes", "--json").json["hits_posted"] == 0

    done = cli("simulate", "batch", "--raters", 5, "--json").json
    assert done["assignments_submitted"] == 5
    again = cli("simulate", "batch", "--raters", 5, "--json").json
    assert (again["assignments_submitted"], again["assignments_unavailable"]) == (0, 5)

    collected = cli("collect", "--watch", "--json").json
    assert (collected["new_assignments"], collected["complete"]) == (5, True)
    state = cli("status", "--json").json["batches"][0]
    assert (state["hits"], state["responses"], state["committed_usd"]) == (1, 40, "1.50")
    assert state["assignments"] == {"Submitted": 5, "Approved": 0, "Rejected": 0}

    mixed = cli("analyze", "--model", "mixed", "--json").json
    assert (mixed["model"], mixed["n_observations"]) == ("mixed", 40)
    assert {"images", "raters"} == set(mixed["generalises_to"])
    assert mixed["fixed_effects"][1]["df"] > 1
    assert mixed["steps"][0].startswith("rating ~ method + (1 + method | image)")

    files = cli("export", "--out", "data.csv", "--json").json["files"]
    assert [(f["path"], f["rows"]) for f in files] == [("data.csv", 40)]
    with Path("data.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0])[:5] == ["rater", "image", "method", "bpp", "rating"]
    from_csv = cli("analyze", "--model", "mixed", "--data", "data.csv", "--json").json
    assert from_csv["fixed_effects"] == mixed["fixed_effects"]

    assert cli("report", "--out", "report.html").code == 0
    assert (
        "<svg" in Path("report.html").read_text() or "data:image" in Path("report.html").read_text()
    )


def test_both_kinds_export_to_two_files(cli: Cli, images: None, endpoint: str) -> None:
    for kind in ("satisfaction", "2afc"):
        cli("generate", kind, *FOLDERS, "--out", kind, "--assignments", 3)
        cli("publish", kind, "--yes")
        cli("simulate", kind, "--raters", 3)
    cli("collect")
    files = cli("export", "--out", "data.csv", "--json").json["files"]
    assert [f["path"] for f in files] == ["data.ratings.csv", "data.votes.csv"]
    header = Path("data.votes.csv").read_text().splitlines()[0]
    assert header.startswith("rater,image,bpp,method_left,method_right,choice,")
    scores = cli("analyze", "--model", "bradley-terry", "--json").json
    assert (scores["n_votes"], scores["unit"]) == (12, "logit")
    one = cli("export", "--out", "one.csv", "--batch", "2afc", "--json").json["files"]
    assert [f["path"] for f in one] == ["one.csv"]


def test_init_makes_a_study_that_runs(cli: Cli, endpoint: str, tmp_path: Path) -> None:
    assert cli("init", "my-study").code == 0
    folder = tmp_path / "my-study"
    written = sorted(path.name for path in folder.iterdir())
    assert written == [
        "README.md", "hit_templates", "mturk_eval.toml", "originals", "reconstructions",
    ]  # fmt: skip
    again = cli("init", "my-study")
    assert (again.code, "nothing was changed" in again.err) == (2, True)


def test_the_sandbox_configuration_runs_as_it_stands(cli: Cli, images: None, endpoint: str) -> None:
    """Only the port differs: this test's server is not at 8765."""
    config = ("--config", Path(__file__).parents[2] / "sandbox_config.toml")
    made = cli(*config, "generate", "satisfaction", *FOLDERS, "--out", "batch", "--json")
    assert made.json["trials_by_role"] == {"main": 8, "catch": 1}
    assert cli(*config, "publish", "batch", "--yes").code == 0
    assert cli(*config, "simulate", "batch", "--raters", 10).code == 0
    assert cli(*config, "collect", "--watch", "--json").json["complete"] is True
    assert cli(*config, "analyze", "--model", "mixed", "--json").json["n_observations"] == 80


def test_preview_writes_pages_that_open_without_a_server(cli: Cli, images: None) -> None:
    cli("generate", "2afc", *FOLDERS, "--out", "batch", "--trials-per-hit", 2)
    shown = cli("preview", "batch", "--out", "pages", "--json").json
    assert len(shown["pages"]) == 3
    page = Path(shown["pages"][1]).read_text()
    assert page.count("data-trial-id") >= 2
    assert cli("preview", "batch", "--hit", 9).code == 2


# --- what goes wrong is one clear message, and nothing is half done ------------------------------


def wrong(outcome: object, code: int, *parts: str) -> None:
    assert getattr(outcome, "code") == code  # noqa: B009
    message = getattr(outcome, "err")  # noqa: B009
    assert message.startswith(("Error: ", "Usage: "))
    for part in parts:
        assert part in message, message


def test_no_server(cli: Cli, images: None) -> None:
    cli("generate", "2afc", *FOLDERS, "--out", "batch")
    gone = ("--endpoint", "http://127.0.0.1:9")
    wrong(cli("publish", "batch", "--yes", *gone), 1, "Run `mturk-eval serve` in another terminal")
    assert not Path("mturk_eval.db").exists()


def test_publishing_asks_first(cli: Cli, images: None, endpoint: str) -> None:
    cli("generate", "2afc", *FOLDERS, "--out", "batch")
    wrong(cli("publish", "batch"), 2, "--yes")
    assert not Path("mturk_eval.db").exists()


def test_a_changed_image(cli: Cli, images: None, endpoint: str) -> None:
    cli("generate", "2afc", *FOLDERS, "--out", "batch")
    image = sorted(Path("batch/images").iterdir())[0]
    image.write_bytes(image.read_bytes()[:-1])
    wrong(cli("publish", "batch", "--yes"), 2, "stimuli.csv, row", image.name, "has changed")
    problems = cli("check", "batch", "--json")
    assert (problems.code, problems.json["ok"], len(problems.json["problems"])) == (2, False, 1)


def test_an_edited_table_with_an_unknown_stimulus(cli: Cli, images: None, endpoint: str) -> None:
    cli("generate", "2afc", *FOLDERS, "--out", "batch")
    trials = Path("batch/trials.csv")
    trials.write_text(trials.read_text().replace("image2/jpeg", "image2/hific"))
    wrong(cli("check", "batch"), 2, "trials.csv, row", "'image2/hific' is not in stimuli.csv")


def test_a_missing_file(cli: Cli, images: None) -> None:
    cli("generate", "2afc", *FOLDERS, "--out", "batch")
    Path("batch/hits.csv").unlink()
    wrong(cli("check", "batch"), 2, "hits.csv: the file is missing")
    wrong(cli("check", "nothing"), 2, "make a batch with `generate`")


def test_wrong_settings(cli: Cli, images: None) -> None:
    Path("mturk_eval.toml").write_text("[payment]\nrewards = 1\n")
    wrong(cli("status"), 2, "mturk_eval.toml: unknown key `payment.rewards`")
    wrong(cli("--config", "none.toml", "status"), 2, "none.toml does not exist")


def test_no_ledger_yet(cli: Cli) -> None:
    for command in (
        ["status"],
        ["collect"],
        ["export", "--out", "x.csv"],
        ["analyze", "--model", "mos"],
    ):
        wrong(cli(*command), 1, "There is no ledger at mturk_eval.db")
    assert not Path("mturk_eval.db").exists()


def test_a_ledger_that_is_something_else(cli: Cli, images: None) -> None:
    Path("mturk_eval.db").write_text("no database " * 100)
    wrong(cli("status"), 1, "cannot be used")
    wrong(cli("status", "--ledger", "nonsense"), 2, "not a database URL")


def test_nothing_to_analyze_yet(cli: Cli, images: None, endpoint: str) -> None:
    cli("generate", "2afc", *FOLDERS, "--out", "batch")
    cli("publish", "batch", "--yes")
    wrong(cli("analyze", "--model", "bradley-terry"), 1, "holds no 2AFC votes yet")
    wrong(cli("export", "--out", "x.csv"), 1, "no responses")
    wrong(cli("report", "--out", "r.html"), 1)
    assert not Path("r.html").exists()


def test_simulated_raters_stay_away_from_amazon(cli: Cli, images: None, endpoint: str) -> None:
    cli("generate", "2afc", *FOLDERS, "--out", "batch")
    cli("publish", "batch", "--yes")
    wrong(
        cli("simulate", "batch", "--raters", 1, "--endpoint", "sandbox"), 1, "our own server only"
    )


def test_simulated_raters_need_a_published_batch(cli: Cli, images: None, endpoint: str) -> None:
    cli("generate", "2afc", *FOLDERS, "--out", "batch")
    wrong(cli("simulate", "batch", "--raters", 1), 1, "no ledger")


@pytest.mark.parametrize(
    "arguments",
    [["generate", "ranking"], ["analyze", "--model", "guess"], ["export"], ["nonsense"], []],
)
def test_wrong_usage(cli: Cli, arguments: list[str]) -> None:
    assert cli(*arguments).code == 2

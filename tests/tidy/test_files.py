"""Other people's CSVs: read as they mean it, or refused with file, row and column."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mturk_eval.errors import TableError
from mturk_eval.tidy.columns import model_rows
from mturk_eval.tidy.csv_files import write_csv
from mturk_eval.tidy.files import read_ratings, read_table, read_votes

GOOD = "rater,image,method,bpp,rating\nann,sky,jxl,0.5,7\nbob,sky,webp,,3\n"
VOTES = "rater,image,bpp,method_left,method_right,choice\nann,sky,0.5,jxl,webp,left\n"


@pytest.fixture
def csv(tmp_path: Path) -> Path:
    return tmp_path / "answers.csv"


def _refusal(path: Path, text: str, **options: object) -> str:
    path.write_text(text)
    with pytest.raises(TableError) as caught:
        read_ratings(path, **options)  # type: ignore[arg-type]
    return str(caught.value)


def test_ratings_are_read(csv: Path) -> None:
    csv.write_text(GOOD)
    table = read_ratings(csv)
    assert list(table.frame.columns) == ["rater", "image", "method", "bpp", "rating"]
    assert table.frame["rating"].tolist() == [7.0, 3.0]
    assert table.frame["bpp"].iloc[0] == 0.5
    assert np.isnan(table.frame["bpp"].iloc[1])
    assert table.warnings == ()


@pytest.mark.parametrize("separator", [";", "\t"])
def test_other_separators_a_byte_order_mark_and_gzip_are_understood(
    csv: Path, separator: str
) -> None:
    text = "\ufeff" + GOOD.replace(",", separator).replace("\n", "\r\n")
    csv.write_bytes(gzip.compress(text.encode()))
    assert read_ratings(csv).frame["rating"].tolist() == [7.0, 3.0]


def test_a_line_that_names_the_separator_is_no_header(csv: Path) -> None:
    csv.write_text("sep=;\n" + GOOD.replace(",", ";"))
    frame = read_ratings(csv).frame
    assert frame["rating"].tolist() == [7.0, 3.0]
    assert frame.index.tolist() == [3, 4]  # as a spreadsheet numbers them
    twice = "sep=;\nrater;rater\na;b\n"
    assert "row 2: column rater occurs twice" in _refusal(csv, twice)


def test_what_is_no_csv_is_called_what_it_is(csv: Path) -> None:
    csv.write_bytes(b"PK\x03\x04\x14\x00\x06\x00")
    with pytest.raises(TableError, match="a workbook, not a CSV"):
        read_ratings(csv)
    whole = gzip.compress(GOOD.encode())
    for damaged in (b"\x1f\x8bno", whole[:-9], whole[:12] + b"\xff" * 8 + whole[20:]):
        csv.write_bytes(damaged)
        with pytest.raises(TableError, match="the compressed file is damaged"):
            read_ratings(csv)


def test_other_separators_and_decimal_commas_get_their_own_advice(csv: Path) -> None:
    piped = _refusal(csv, GOOD.replace(",", "|"))
    assert "Separate columns by commas, semicolons or tabs." in piped
    comma = _refusal(csv, GOOD.replace(",", ";").replace(";7", ";7,5"))
    assert "row 2, column rating: '7,5' is not a number (write 7.5)" in comma
    assert "the cell is empty or NA" in _refusal(csv, GOOD.replace(",7", ",nan"))
    assert "close every quotation mark" in _refusal(csv, GOOD.replace("ann,", '"ann,'))


def test_columns_are_renamed_and_numbers_in_names_stay_names(csv: Path) -> None:
    csv.write_text("worker,image,method,rating,rater\n007,sky,1,5,x\n")
    frame = read_ratings(csv, rename={"rater": "worker"}).frame
    assert (frame["rater"].iloc[0], frame["method"].iloc[0]) == ("007", "1")


def test_a_column_that_is_missing_is_named_with_those_there(csv: Path) -> None:
    said = _refusal(csv, "worker,image,method,rating\na,b,c,1\n")
    assert "no column rater" in said
    assert "worker, image, method, rating" in said
    assert "--column rater=NAME" in said


def test_a_renaming_of_nothing_is_refused(csv: Path) -> None:
    assert "--column rater=worker" in _refusal(csv, GOOD, rename={"rater": "worker"})


@pytest.mark.parametrize(
    ("cell", "says"),
    [("", "empty"), ("NA", "empty"), ("good", "'good'"), ("inf", "'inf'"), ("4,5", "'4,5'")],
)  # fmt: skip
def test_a_rating_that_is_no_number_is_refused_with_its_place(
    csv: Path, cell: str, says: str
) -> None:
    said = _refusal(csv, GOOD + f'cem,sea,jxl,0.5,"{cell}"\n')
    assert f"{csv}, row 4, column rating" in said
    assert says in said
    assert "--drop-missing" in said


def test_such_rows_can_be_left_out_and_are_counted(csv: Path) -> None:
    csv.write_text(GOOD + "cem,sea,jxl,0.5,\ndia,sea,jxl,0.5,x\n,sea,jxl,0.5,4\n")
    table = read_ratings(csv, drop_missing=True)
    assert len(table.frame) == 2
    assert "3 rows" in table.warnings[0]
    assert "2 kept" in table.warnings[0]
    assert "2 empty, 1 'x'" in table.warnings[0]


def test_blank_lines_do_not_shift_row_numbers(csv: Path) -> None:
    assert "row 6" in _refusal(csv, GOOD + "\n,,,,\ncem,sea,jxl,0.5,bad\n")


def test_a_scale_is_enforced_where_given(csv: Path) -> None:
    text = GOOD + "cem,sea,jxl,0.5,70\n"
    csv.write_text(text)
    assert len(read_ratings(csv).frame) == 3
    said = _refusal(csv, text, scale=(1.0, 10.0))
    assert "row 4, column rating: 70 is outside the scale 1 to 10" in said


def test_equal_rows_are_kept_counted_and_warned_about(csv: Path) -> None:
    csv.write_text(GOOD + "ann,sky,jxl,0.5,7\n")
    table = read_ratings(csv)
    assert len(table.frame) == 3
    assert "1 row is equal" in table.warnings[0]
    assert "row 4" in table.warnings[0]


def test_a_trial_answered_twice_by_one_rater_is_an_error(csv: Path) -> None:
    head = "rater,image,method,rating,trial_id\n"
    said = _refusal(csv, head + "ann,sky,jxl,7,t1\nbob,sky,jxl,7,t1\nann,sky,jxl,8,t1\n")
    assert "row 4, column trial_id" in said
    assert "already in row 2" in said


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "empty"),
        ("rater,image,method,rating\n", "no rows"),
        ("rater,rater,image,method,rating\n", "occurs twice"),
        ("rater,image,method,rating\na,b,c,1,2\n", "row 2: 5 cells"),
        ("rater,image,method,bpp,rating\na,b,c,half,1\n", "row 2, column bpp: 'half'"),
        ("rater,image,method,rating,role\na,b,c,1,expert\n", "column role: 'expert'"),
    ],
)
def test_files_that_are_no_tables_are_refused(csv: Path, text: str, says: str) -> None:
    assert says in _refusal(csv, text)


def test_bytes_that_are_not_utf_8_are_refused(csv: Path) -> None:
    csv.write_bytes(GOOD.encode() + b"\xff")
    with pytest.raises(TableError, match="UTF-8"):
        read_ratings(csv)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TableError, match="No such file"):
        read_ratings(tmp_path / "none.csv")


def test_votes_are_read(csv: Path) -> None:
    csv.write_text(VOTES + "bob,sky,0.5,webp,jxl,Not_Sure\n")
    assert read_votes(csv).frame["choice"].tolist() == ["left", "not_sure"]


def test_a_vote_that_is_no_side_is_refused_or_left_out_and_counted(csv: Path) -> None:
    csv.write_text(
        VOTES + "bob,sky,0.5,webp,jxl,Maybe\ncem,sky,0.5,webp,jxl,\ndia,sky,0.5,webp,jxl,maybe\n"
    )
    with pytest.raises(TableError, match=r"row 3, column choice: 'maybe'.*--drop-missing"):
        read_votes(csv)
    table = read_votes(csv, drop_missing=True)
    assert table.frame["rater"].tolist() == ["ann"]
    assert "3 rows without a usable answer" in table.warnings[0]
    assert "2 'maybe', 1 empty; 1 kept" in table.warnings[0]


def test_votes_without_any_side_are_refused_even_when_missing_ones_are_dropped(csv: Path) -> None:
    csv.write_text(VOTES.replace("left\n", "A\n"))
    with pytest.raises(TableError, match="no row holds one of left, right, not_sure"):
        read_votes(csv, drop_missing=True)


def test_the_kind_of_table_is_told_by_its_columns(csv: Path) -> None:
    assert "holds votes" in _refusal(csv, VOTES)
    csv.write_text(GOOD)
    with pytest.raises(TableError, match="holds ratings"):
        read_votes(csv)


def test_with_a_formula_any_columns_will_do(csv: Path) -> None:
    csv.write_text("subject,days,reaction\n308,0,249.5\n309,1,258.7\n")
    frame = read_table(csv, response="reaction", variables=["days", "subject"]).frame
    assert frame["days"].tolist() == [0, 1]
    with pytest.raises(TableError, match="no column dose"):
        read_table(csv, response="reaction", variables=["dose"])


def test_only_main_trials_are_for_models(csv: Path) -> None:
    csv.write_text("rater,image,method,rating,role\na,b,c,1,main\na,b,c,10,catch\na,b,d,2,repeat\n")
    table = model_rows(read_ratings(csv))
    assert table.frame["rating"].tolist() == [1.0]
    assert "1 catch" in table.warnings[0]


names = st.text(
    st.characters(codec="utf-8", exclude_categories=("C", "Z")), min_size=1, max_size=8
).filter(lambda name: name.lower() not in {"na", "nan", "n/a", "<na>"})


@given(
    rows=st.lists(
        st.tuples(names, names, names, st.none() | st.floats(0.01, 9), st.integers(1, 10)),
        min_size=1,
        max_size=8,
    )
)
@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_what_is_written_is_read_back(csv: Path, rows: list[tuple[object, ...]]) -> None:
    frame = pd.DataFrame(rows, columns=["rater", "image", "method", "bpp", "rating"])
    frame["bpp"] = frame["bpp"].astype(float)
    write_csv(frame, csv)
    again = read_ratings(csv).frame
    assert again["rater"].tolist() == frame["rater"].tolist()
    np.testing.assert_array_equal(again["bpp"].to_numpy(), frame["bpp"].to_numpy())
    assert again["rating"].tolist() == frame["rating"].tolist()


def test_times_are_written_in_utc_and_missing_cells_empty(csv: Path) -> None:
    times = pd.to_datetime(pd.Series(["2026-11-02T10:00:00.25+02:00", None]), utc=True)
    write_csv(pd.DataFrame({"at": times, "bpp": [np.nan, 0.5]}), csv)
    assert csv.read_text() == "at,bpp\n2026-11-02T08:00:00.250Z,\n,0.5\n"


def test_a_write_that_fails_leaves_the_file_as_it_was(csv: Path) -> None:
    csv.write_text("before")

    class Unprintable:
        def __str__(self) -> str:
            raise RuntimeError("no words")

    with pytest.raises(RuntimeError, match="no words"):
        write_csv(pd.DataFrame({"x": [Unprintable()]}), csv)
    assert csv.read_text() == "before"
    assert [path.name for path in csv.parent.iterdir()] == [csv.name]

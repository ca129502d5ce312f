"""What each action makes of a value alone, and dates in the forms that people write."""

from __future__ import annotations

import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vtag.redact import dates
from vtag.redact.actions import ACTIONS, SMALL_ZIP3, Age90, Mask, Zip3, age90, mask, zip3


def test_every_action_of_the_table_is_named_by_its_parameters() -> None:
    assert {name: row.parameters().action for name, row in ACTIONS.items()} == {name: name for name in ACTIONS}


@pytest.mark.parametrize(
    ("value", "how", "made"),
    [
        ("Ann Lee", Mask(), "*******"),
        ("4111 1111 1111 1234", Mask(keep_last=4, keep_separators=True), "**** **** **** 1234"),
        ("4111 1111", Mask(keep_first=2, keep_last=2, char="x"), "41xxxxx11"),
        ("1234", Mask(keep_last=4), "****"),
        ("12", Mask(keep_first=1, keep_last=1), "**"),
        ("", Mask(keep_last=1), ""),
        ("👩‍👩‍👧é", Mask(keep_last=1), "*é"),
        ("e\u0301a", Mask(keep_first=1), "e\u0301*"),
        ("-- ", Mask(keep_separators=True), "-- "),
    ],
)
def test_a_mask_hides_characters_as_people_see_them(value: str, how: Mask, made: str) -> None:
    assert mask(value, how) == made


@given(st.text(max_size=20), st.integers(0, 5), st.integers(0, 5))
def test_a_mask_never_shows_a_whole_value(value: str, first: int, last: int) -> None:
    made = mask(value, Mask(keep_first=first, keep_last=last, char="█"))
    assert not value or "█" in made


def test_zip_codes_keep_three_digits_unless_few_people_share_them() -> None:
    made = {value: zip3(value, Zip3()) for value in ("60614", "60614-1234", " 60614", "03601", "6061", "606140", "x")}
    assert made == {
        "60614": "606**",
        "60614-1234": "606**",
        " 60614": "606**",
        "03601": "000**",
        "6061": None,
        "606140": None,
        "x": None,
    }
    assert len(SMALL_ZIP3) == 17


@pytest.mark.parametrize(
    ("value", "made"),
    [("89", "89"), ("90", "90+"), ("93 years", "90+ years"), ("103-year-old", "90+-year-old"), ("45", "45")]
    + [(value, None) for value in ("ninety", "", "90 or 91", "٩٣", "²", "9५")],
)
def test_ages_above_89_are_one_class(value: str, made: str | None) -> None:
    assert age90(value, Age90()) == made


FORMS = [
    ("2020-02-28", "2020-03-01"),
    ("2020/2/28", "2020/3/1"),
    ("28.02.2020", "01.03.2020"),
    ("28.2.2020", "1.3.2020"),
    ("02/28/2020", "03/01/2020"),
    ("2/28/2020", "3/1/2020"),
    ("28/02/2020", "01/03/2020"),
    ("February 28, 2020", "March 1, 2020"),
    ("Feb. 28 2020", "Mar. 1 2020"),
    ("FEB 28, 2020", "MAR 1, 2020"),
    ("28 february 2020", "1 march 2020"),
    ("28th of February 2020", "1st of March 2020"),
    ("28-Feb-2020", "1-Mar-2020"),
    (" 2020-02-28 ", " 2020-03-01 "),
]


@pytest.mark.parametrize(("value", "later"), FORMS)
def test_a_date_is_moved_in_the_form_that_it_has(value: str, later: str) -> None:
    assert dates.shift(value, 2, day_first=False) == later
    assert dates.shift(later, -2, day_first="/" in value and value.startswith("28")) == value
    assert dates.year(value) == "2020"


def test_where_day_and_month_could_be_either_the_policy_says_which() -> None:
    assert dates.shift("03/04/2020", 30, day_first=False) == "04/03/2020"
    assert dates.shift("03/04/2020", 30, day_first=True) == "03/05/2020"


@pytest.mark.parametrize(
    "value",
    ["", "yesterday", "31/31/2020", "2020-02-30", "0000-01-01", "9999-12-31", "1 Foo 2020", "28.2.20", "٢٨.٢.٢٠٢٠"],
)
def test_what_is_no_full_date_is_not_moved(value: str) -> None:
    assert dates.shift(value, 1, day_first=False) is None


@pytest.mark.parametrize(
    ("value", "made"),
    [(value, "1990") for value in ("1990", "May 1990", "05/1990", "1990-05")] + [("the 90s", None), ("19905", None)],
)
def test_the_year_of_a_part_of_a_date(value: str, made: str | None) -> None:
    assert dates.year(value) == made


@given(st.dates(datetime.date(1000, 1, 1), datetime.date(9000, 1, 1)), st.integers(-9000, 9000), st.booleans())
def test_moved_dates_are_as_far_apart_as_they_were(date: datetime.date, days: int, day_first: bool) -> None:
    for form in ("%Y-%m-%d", "%d.%m.%Y", "%B %d, %Y", "%d %b %Y"):
        moved = dates.shift(date.strftime(form), days, day_first=day_first)
        assert moved is not None
        read = dates.read(moved, day_first=day_first)
        assert read is not None
        assert read.date - date == datetime.timedelta(days)

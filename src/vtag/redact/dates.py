"""Dates in texts: read, moved by some days, and written in the form in which they were."""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable
from typing import NamedTuple

_MONTHS = "January February March April May June July August September October November December".split()
_NUMBERS = {name.lower()[:size]: at for at, name in enumerate(_MONTHS, 1) for size in (3, len(name))} | {"sept": 9}
_MONTH = "|".join(sorted(_NUMBERS, key=len, reverse=True))
_DAY = r"(?P<day>[0-9]{1,2})"
_ORDINAL = r"(?P<ordinal>st|nd|rd|th)?"
_YEAR = r"(?P<year>[0-9]{4})"
_NAME = rf"(?P<name>{_MONTH})(?P<dot>\.?)"
# Full dates, each part with its place in the text.
_FORMS = [
    re.compile(form, re.IGNORECASE)
    for form in (
        r"(?P<year>[0-9]{4})(?P<sep>[-/.])(?P<month>[0-9]{1,2})(?P=sep)(?P<day>[0-9]{1,2})",
        r"(?P<first>[0-9]{1,2})(?P<sep>[-/.])(?P<second>[0-9]{1,2})(?P=sep)(?P<year>[0-9]{4})",
        rf"{_NAME} +{_DAY}{_ORDINAL},? +{_YEAR}",
        rf"{_DAY}{_ORDINAL}[ -](?:of +)?{_NAME}[ -]{_YEAR}",
    )
]
# What else has a year.
_PARTIAL = [
    re.compile(form, re.IGNORECASE)
    for form in (_YEAR, rf"{_NAME},? +{_YEAR}", rf"[0-9]{{1,2}}[-/.]{_YEAR}", rf"{_YEAR}[-/.][0-9]{{1,2}}")
]


class Read(NamedTuple):
    """A date, and how another one is written as it was."""

    date: datetime.date
    write: Callable[[datetime.date], str]


def read(value: str, *, day_first: bool) -> Read | None:
    """A full date, or None. day_first: whether 03/04/2020 is in April."""
    text = value.strip()
    for form in _FORMS:
        found = form.fullmatch(text)
        if found is None:
            continue
        parts = found.groupdict()
        names = {"day": "day", "month": "month"}
        if parts.get("first"):
            first, second = int(parts["first"]), int(parts["second"])
            # With dots the day comes first everywhere.
            by_day = first > 12 or (second <= 12 and (day_first or parts["sep"] == "."))
            names = {"day": "first" if by_day else "second", "month": "second" if by_day else "first"}
        month = _NUMBERS[parts["name"].lower()] if parts.get("name") else int(parts[names["month"]])
        try:
            date = datetime.date(int(parts["year"]), month, int(parts[names["day"]]))
        except ValueError:
            return None
        return Read(date, lambda new, found=found, names=names: _written(value, found, names, new))  # type: ignore[misc]
    return None


def shift(value: str, days: int, *, day_first: bool) -> str | None:
    """The date some days later, in the same form; None if it is no full date."""
    found = read(value, day_first=day_first)
    if found is None:
        return None
    try:
        return found.write(found.date + datetime.timedelta(days))
    except OverflowError:
        return None


def year(value: str) -> str | None:
    """The four digits of the year of a date; None if it is no date."""
    text = value.strip()
    for form in (*_FORMS, *_PARTIAL):
        found = form.fullmatch(text)
        if found is not None:
            return found["year"]
    return None


def _written(value: str, found: re.Match[str], names: dict[str, str], new: datetime.date) -> str:
    """The value with the parts of its date exchanged."""
    parts = found.groupdict()
    by_name = bool(parts.get("name"))
    days = [parts[names["day"]]] if by_name else [parts[names["day"]], parts[names["month"]]]
    # In 28.2.2020 one part shows that zeros are left out, and beside a month's name they are, unless one stands there.
    padded = any(day[0] == "0" for day in days) or not (by_name or any(len(day) == 1 for day in days))
    parts_of = {"year": f"{new.year:04}", names["day"]: f"{new.day:0{1 + padded}}"}
    if by_name:
        parts_of["name"] = _like_name(parts["name"], new.month)
    else:
        parts_of[names["month"]] = f"{new.month:0{1 + padded}}"
    if parts.get("ordinal"):
        parts_of["ordinal"] = _ordinal(new.day)
    shift_by = len(value) - len(value.lstrip())
    text, at = [], 0
    for name in sorted(parts_of, key=found.start):
        start, end = found.start(name) + shift_by, found.end(name) + shift_by
        text += [value[at:start], parts_of[name]]
        at = end
    return "".join([*text, value[at:]])


def _like_name(old: str, month: int) -> str:
    """A month's name, as short and in such letters as the old one."""
    name = _MONTHS[month - 1]
    name = name[:3] if len(old) == 3 or old.lower() == "sept" else name
    return name.upper() if old.isupper() else name.lower() if old.islower() else name


def _ordinal(day: int) -> str:
    return "th" if 10 <= day % 100 <= 20 else {1: "st", 2: "nd", 3: "rd"}.get(day % 10, "th")

"""ONE table of what may be done with a span: action -> its parameters, what it needs, and what it makes of a value."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints

from vtag.decode.graphemes import clusters
from vtag.redact import dates

# Characters that separate the parts of numbers, dates and names, and identify nobody.
SEPARATORS = frozenset(" -./()+:,")
# The first three digits of ZIP codes that fewer than 20,000 people share (2000 census), which "zip3" replaces by 000.
SMALL_ZIP3 = frozenset("036 059 063 102 203 556 692 790 821 823 830 831 878 879 884 890 893".split())
OLDEST = 89

_ZIP = re.compile(r"\s*([0-9]{5})(?:-[0-9]{4})?\s*")
_NUMBER = re.compile(r"[0-9]+")


# Complaints never show what was given: it might be a key.
STRICT = ConfigDict(extra="forbid", strict=True, frozen=True, hide_input_in_errors=True)


class Action(BaseModel):
    """The parameters of an action."""

    model_config = STRICT

    action: str = ""


class Keep(Action):
    """The value stays."""

    action: Literal["keep"] = "keep"


class Remove(Action):
    """Nothing takes its place."""

    action: Literal["remove"] = "remove"


class Label(Action):
    """[EMAIL]"""

    action: Literal["label"] = "label"


class Number(Action):
    """[EMAIL_1]: the same value has the same number within a text. A mapping leads back."""

    action: Literal["number"] = "number"


class Mask(Action):
    """*******1234: each character hidden but the first and the last few; all of a value that has no more than these."""

    action: Literal["mask"] = "mask"
    char: Annotated[str, StringConstraints(pattern=r"^[!-~\u00a1-\uffef]$")] = "*"
    keep_first: Annotated[int, Field(ge=0, le=1000)] = 0
    keep_last: Annotated[int, Field(ge=0, le=1000)] = 0
    keep_separators: bool = False


class Hash(Action):
    """[EMAIL#3f2a...]: HMAC-SHA256 of the value, so that equal values can be joined by who has the key or not."""

    action: Literal["hash"] = "hash"
    digits: Annotated[int, Field(ge=8, le=64)] = 16


class Token(Action):
    """[EMAIL:mzxw6ytb...]: the value encrypted by AES-SIV; the key leads back."""

    action: Literal["token"] = "token"


class Fake(Action):
    """Another value of the same kind, by Faker: the same one for the same value and key. A mapping leads back."""

    action: Literal["fake"] = "fake"
    kind: str | None = None
    locale: Annotated[str, StringConstraints(pattern=r"^[a-z]{2,3}(_[A-Za-z]{2,4})?$")] = "en_US"


class Shift(Action):
    """A date moved by some days, the same number of them for all dates of a text, or of its context."""

    action: Literal["shift"] = "shift"
    max_days: Annotated[int, Field(ge=1, le=36500)] = 365
    day_first: bool = False


class Year(Action):
    """Of a date, its year."""

    action: Literal["year"] = "year"


class Zip3(Action):
    """606**: of a US ZIP code, its first three digits; 000 where few people share them."""

    action: Literal["zip3"] = "zip3"


class Age90(Action):
    """Ages above 89 become 90+; others stay."""

    action: Literal["age90"] = "age90"


class Row(NamedTuple):
    """One action.

    parameters: their model, which checks them.
    of_value: what takes the place of a value, from the value alone; None where the value cannot be read that way, and
    its label takes its place. None for actions that need more than the value (redact/text.py).
    shows: whether it shows a part of the value, so that it is not used where spans of other actions overlap.
    keyed: whether it needs a key. mapped: whether a mapping leads back.
    """

    parameters: type[Action]
    of_value: Callable[[str, Any], str | None] | None = None
    shows: bool = False
    keyed: bool = False
    mapped: bool = False


def mask(value: str, how: Mask) -> str:
    """The value with most characters (grapheme clusters) hidden."""
    parts = clusters(value)
    hidden = [at for at, one in enumerate(parts) if not (how.keep_separators and one in SEPARATORS)]
    if how.keep_first + how.keep_last < len(hidden):
        hidden = hidden[how.keep_first : len(hidden) - how.keep_last]
    for at in hidden:
        parts[at] = how.char
    return "".join(parts)


def zip3(value: str, how: Zip3) -> str | None:
    """606** of 60614 and of 60614-1234."""
    found = _ZIP.fullmatch(value)
    if found is None:
        return None
    first = found[1][:3]
    return f"{'000' if first in SMALL_ZIP3 else first}**"


def age90(value: str, how: Age90) -> str | None:
    """The value, its one number replaced by 90+ where it is above 89."""
    found = _NUMBER.findall(value)
    if len(found) != 1 or not value.replace(found[0], "0").isascii():
        return None
    return _NUMBER.sub("90+", value) if int(found[0]) > OLDEST else value


ACTIONS: dict[str, Row] = {
    "keep": Row(Keep, lambda value, how: value, shows=True),
    "remove": Row(Remove, lambda value, how: ""),
    "label": Row(Label, lambda value, how: None),
    "number": Row(Number, mapped=True),
    "mask": Row(Mask, mask, shows=True),
    "hash": Row(Hash, keyed=True),
    "token": Row(Token, keyed=True),
    "fake": Row(Fake, keyed=True, mapped=True),
    "shift": Row(Shift, shows=True, keyed=True),
    "year": Row(Year, lambda value, how: dates.year(value), shows=True),
    "zip3": Row(Zip3, zip3, shows=True),
    "age90": Row(Age90, age90, shows=True),
}


def _named(value: Any) -> Any:
    """`"mask"` is short for `{"action": "mask"}`."""
    return {"action": value} if isinstance(value, str) else value


AnyAction = Annotated[
    Keep | Remove | Label | Number | Mask | Hash | Token | Fake | Shift | Year | Zip3 | Age90,
    Field(discriminator="action"),
    BeforeValidator(_named),
]

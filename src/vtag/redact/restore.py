"""The way back: tokens by the key, wherever they stand; numbers and fakes by their mapping, in one pass."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from vtag.errors import error
from vtag.redact import placeholders
from vtag.redact import policy as policies
from vtag.redact.placeholders import TOKEN, Tokens
from vtag.redact.policy import Policy
from vtag.redact.words import UNIT, is_letter

# What a key may begin with.
_UNIT = re.compile(rf"{placeholders.ANY_NUMBERED.pattern}|{UNIT}")
# Fakes are looked up by so many characters.
HEAD = 3


class Restorer:
    """What leads back: the key of a policy's tokens, and for each text a mapping.

    policy: of the redaction; None: tokens under the key of VTAG_REDACT_KEY, unless a mapping alone is to be used.
    Raises SettingError if there is no such key.
    """

    def __init__(self, policy: Policy | None, *, mapped: bool = False) -> None:
        source = (policy.key if "token" in policy.actions else None) if policy else None if mapped else Policy().key
        self.key = source.load() if source else None
        self._tokens = Tokens(self.key) if self.key else None

    def restore(self, text: str, mapping: Mapping[str, str] | None = None) -> str:
        """The text with its original values. Raises InputError for a token that is not of this key."""
        parts, at, mapped = [], 0, restoring(mapping)
        if self._tokens is not None:
            # A value may look like a placeholder: each stretch between two tokens is restored by itself.
            for match in TOKEN.finditer(text):
                value = self._tokens.open(match[1], match[2])
                if value is None:
                    raise error("token_refused", at=match.start())
                parts += [mapped(text[at : match.start()]), value]
                at = match.end()
        return "".join([*parts, mapped(text[at:])])


def restore(
    text: str,
    *,
    policy: Policy | Mapping[str, Any] | str | Path | None = None,
    mapping: Mapping[str, str] | None = None,
) -> str:
    """A text with its original values: a redacted one, or another that uses its placeholders, such as an answer to it.

    Args:
        text: the text; what is neither a token nor in the mapping stays as it is.
        policy: of the redaction; it tells whether there are tokens, and where their key is. Without one, and without a
            mapping, tokens are opened by the key of VTAG_REDACT_KEY.
        mapping: of the redaction (`Redacted.mapping`), for numbers and fakes; fakes are found as whole words.

    Raises:
        InputError: for a token that was not made under this key, or was changed since.
        SettingError: for a policy that cannot be meant, and if there is no key.
    """
    known = None if policy is None else policies.load(policy)
    return Restorer(known, mapped=mapping is not None).restore(text, mapping)


def restore_mapped(text: str, mapping: Mapping[str, str] | None) -> str:
    """The text with the keys of a mapping replaced by its values, the longest first, in one pass.

    A key does not begin or end inside of a word.
    """
    return restoring(mapping)(text)


def restoring(mapping: Mapping[str, str] | None) -> Callable[[str], str]:
    """`restore_mapped` of one mapping, for many texts."""
    if not mapping:
        return lambda text: text
    fakes: dict[str, list[str]] = {}
    for key in sorted(mapping, key=len, reverse=True):
        if not placeholders.is_numbered(key):
            fakes.setdefault(key[:HEAD], []).append(key)
    if not fakes:
        return partial(placeholders.ANY_NUMBERED.sub, lambda match: mapping.get(match[0], match[0]))

    def restore(text: str) -> str:
        parts, at = [], 0
        for unit in _UNIT.finditer(text):
            start = unit.start()
            if start < at:
                continue
            found = _at(text, start, unit[0], mapping, fakes)
            if found is not None:
                parts += [text[at:start], mapping[found]]
                at = start + len(found)
        return "".join([*parts, text[at:]])

    return restore


def _at(text: str, start: int, unit: str, mapping: Mapping[str, str], fakes: Mapping[str, Sequence[str]]) -> str | None:
    """The numbered placeholder, or the longest fake, that stands at this place and does not end inside of a word."""
    if placeholders.is_numbered(unit):
        return unit if unit in mapping else None
    for size in range(HEAD, 0, -1):
        for key in fakes.get(text[start : start + size], ()):
            after = start + len(key)
            if text.startswith(key, start) and not (is_letter(text, after - 1) and is_letter(text, after)):
                return key
    return None

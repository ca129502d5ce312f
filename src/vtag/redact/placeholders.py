"""What stands in a text in place of a value, and how it is recognised: [EMAIL], [EMAIL_1], [EMAIL#hash], [EMAIL:token].

A token is the value, encrypted by AES-SIV (RFC 5297): the same value under the same key and label is the same token,
and one that was altered, or made under another key, is recognised as such.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable
from typing import Any

from vtag.errors import error
from vtag.redact.keys import Key

# Of a label, what would end a placeholder or separate its parts becomes an underscore.
_UNFIT = re.compile(r"[\[\]:#\s\x00-\x1f\x7f\ud800-\udfff]")
_NAME = r"[^\[\]:#\s]{1,80}"
# Base32 survives a change of case, unlike Base64.
TOKEN = re.compile(rf"\[({_NAME}):([A-Za-z2-7]{{26,}}+)\]")
HASH = re.compile(rf"\[({_NAME})#([0-9a-f]{{12,68}})\]")
ANY_NUMBERED = re.compile(rf"\[{_NAME}_[0-9]+\]")
# Up to 999: a longer number might be someone's.
NUMBERED = re.compile(rf"\[({_NAME})_(\d{{1,3}})\]")
PLAIN = re.compile(rf"\[({_NAME})\]")
# What the end of a text cuts off, perhaps.
_UNFINISHED = re.compile(r"\[[^\[\]:#\s]{0,80}(?:[:#][A-Za-z0-9]*)?")
# The label of tokens made of what already looks like a token in a text.
FOREIGN = "vtag:token"
CHECK_DIGITS = 4


def shown(label: str) -> str:
    """A label as placeholders have it."""
    return _UNFIT.sub("_", label)[:64] or "_"


def plain(label: str) -> str:
    """[EMAIL]"""
    return f"[{shown(label)}]"


def numbered(label: str, number: int) -> str:
    """[EMAIL_1]"""
    return f"[{shown(label)}_{number}]"


def is_numbered(text: str) -> bool:
    """Whether a text is such a placeholder."""
    return ANY_NUMBERED.fullmatch(text) is not None


def hashed(label: str, value: str, key: Key, digits: int) -> str:
    """[EMAIL#3f2a...]: so many hexadecimal digits of the value's HMAC-SHA256, and four by which it is recognised.

    These are a keyed BLAKE2s (RFC 7693) of the others.
    """
    name = shown(label)
    digest = key.digest("hash", name, value).hex()[:digits]
    return f"[{name}#{digest}{_check(name, digest, key)}]"


def is_hash(name: str, digits: str, key: Key) -> bool:
    """Whether a hash was made under this key."""
    return digits[-CHECK_DIGITS:] == _check(name, digits[:-CHECK_DIGITS], key)


def _check(name: str, digits: str, key: Key) -> str:
    return hashlib.blake2s(
        digits.encode(), key=key.of_label("hash-check", name), digest_size=CHECK_DIGITS // 2
    ).hexdigest()


class Tokens:
    """Tokens under one key. Raises MissingPackageError without `cryptography`."""

    def __init__(self, key: Key) -> None:
        try:
            from cryptography.exceptions import InvalidTag
            from cryptography.hazmat.primitives.ciphers.aead import AESSIV
        except ImportError as cause:
            raise error("redact_missing", what="token", package="cryptography") from cause
        self._cipher: Any = AESSIV(key.derived("token"))
        self._invalid = InvalidTag

    def seal(self, label: str, value: str) -> str:
        """[EMAIL:mzxw6ytb...]"""
        name = shown(label)
        sealed = self._cipher.encrypt(value.encode("utf-8", "surrogatepass"), _bound_to(name))
        return f"[{name}:{_base32(sealed)}]"

    def open(self, name: str, token: str) -> str | None:
        """The value; None if the token is damaged, or of another key or label."""
        try:
            sealed = base64.b32decode(token.upper() + "=" * (-len(token) % 8))
            if _base32(sealed) != token.lower():  # bits beyond the last byte
                return None
            return bytes(self._cipher.decrypt(sealed, _bound_to(name))).decode("utf-8", "surrogatepass")
        except (self._invalid, ValueError):
            return None


def _base32(data: bytes) -> str:
    return base64.b32encode(data).decode().rstrip("=").lower()


def _bound_to(name: str) -> list[bytes]:
    """The data with which a token is authenticated; casefolded, as language models change case."""
    return [b"vtag/1", name.casefold().encode()]


def find_own(
    text: str, names: frozenset[str], numbered: frozenset[str], key: Key | None, tokens: Tokens | None
) -> list[tuple[int, int]]:
    """Where placeholders stand that redaction has made, or that cannot hold a value: these stay as they are.

    names, numbered: the labels whose placeholders have no number, and those that may have one.
    """
    if "[" not in text:
        return []
    own: list[tuple[re.Pattern[str], Callable[[re.Match[str]], bool]]] = [
        (PLAIN, lambda match: match[1] in names),
        (NUMBERED, lambda match: match[1] in numbered),
    ]
    if key is not None:
        own.append((HASH, lambda match: is_hash(match[1], match[2], key)))
    if tokens is not None:
        own.append((TOKEN, lambda match: tokens.open(match[1], match[2]) is not None))
    return sorted({match.span() for pattern, ours in own for match in pattern.finditer(text) if ours(match)})


def unfinished(text: str, before: int) -> bool:
    """Whether a placeholder that begins before a place may go on after the end of the text."""
    at = text.rfind("[")
    return 0 <= at < before and _UNFINISHED.fullmatch(text, at) is not None

"""The secret behind hashes, tokens, fakes and shifted dates: read from the environment or a file, never from a policy.

Each use has a key of its own, derived from it by HMAC (RFC 2104) with a name.
"""

from __future__ import annotations

import hashlib
import hmac
import os
from functools import lru_cache
from pathlib import Path

from vtag.errors import error

# The environment variable that is read where the policy names none.
ENVIRONMENT = "VTAG_REDACT_KEY"
# Fewer bytes could be guessed.
LEAST_BYTES = 32


class Key:
    """A secret; it is never shown, compared by its fingerprint, and not pickled."""

    def __init__(self, secret: bytes) -> None:
        """Raises SettingError for fewer than 32 bytes; white space around them does not count."""
        secret = secret.strip()
        if len(secret) < LEAST_BYTES:
            raise error("key_short", least=LEAST_BYTES)
        self._secret = secret
        self.of_label = lru_cache(maxsize=1024)(self._of_label)

    def __repr__(self) -> str:
        return "Key(...)"

    def __reduce__(self) -> str:
        raise TypeError("a key is not pickled")

    def derived(self, name: str) -> bytes:
        """64 bytes for one use: HMAC-SHA512 of its name."""
        return hmac.digest(self._secret, f"vtag/1/{name}".encode(), hashlib.sha512)

    def _of_label(self, use: str, label: str) -> bytes:
        return self.derived(f"{use}/{label}")[:32]

    def digest(self, use: str, label: str, value: str) -> bytes:
        """HMAC-SHA256 of a value, by a key for this use and label."""
        return hmac.digest(self.of_label(use, label), value.encode("utf-8", "surrogatepass"), hashlib.sha256)

    @property
    def fingerprint(self) -> str:
        """Tells this key from others, and nothing else about it."""
        return self.derived("fingerprint")[:8].hex()


def from_environment(name: str = ENVIRONMENT) -> Key:
    """The key in an environment variable. Raises SettingError if it is not set."""
    secret = os.environb.get(name.encode())
    if not secret:
        raise error("no_key", default=ENVIRONMENT)
    return Key(secret)


def from_file(path: str) -> Key:
    """The key in a file. Raises SettingError if it cannot be read: its name is not shown, as it might be the key."""
    try:
        return Key(Path(path).read_bytes())
    except (OSError, ValueError) as cause:
        reason = getattr(cause, "strerror", None) or type(cause).__name__
        raise error("key_unreadable", reason=reason) from None

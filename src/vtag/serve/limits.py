"""What a request may hold, and what it may cost."""

from __future__ import annotations

from dataclasses import dataclass

# A stride makes many windows of few characters; windows of a request may have so many tokens a character, and these.
TOKENS_PER_CHARACTER = 8
LEAST_TOKENS = 1 << 16
# The logits of a request take so many bytes at most.
LOGITS_BYTES = 2 << 30


@dataclass(frozen=True, slots=True)
class Limits:
    """What `vtag serve` takes as --max-NAME.

    body_bytes: of a body. values: JSON values in it. texts: of a request. characters: of a text.
    tokens: in all windows of a request. scores: in an answer. requests: under way at once.
    """

    body_bytes: int = 16 << 20
    values: int = 250_000
    texts: int = 1024
    characters: int = 1_000_000
    tokens: int = 8 << 20
    scores: int = 1_000_000
    requests: int = 2048

    def tokens_of(self, characters: int, labels: int) -> int:
        """The most tokens in the windows of a request of so many characters, for a model of so many labels."""
        return min(self.tokens, LOGITS_BYTES // (4 * labels), LEAST_TOKENS + TOKENS_PER_CHARACTER * characters)

"""What a request may hold, and what it may cost."""

from __future__ import annotations

from dataclasses import dataclass

# What no option changes. The head of a request:
HEAD_BYTES = 64 << 10
HEAD_SECONDS = 20  # from the connection, or its first byte
# A body: seconds to arrive, and fields of an object in it (a threshold for each of a model's labels is one).
BODY_SECONDS = 60
MOST_FIELDS = 10_000
# The rest of a body that is answered already: closed at once, the client would miss the answer.
LINGER_SECONDS = 5
# Between requests. Longer than clients and proxies keep a connection: where the server closes first, a request is lost.
IDLE_SECONDS = 75
# Requests under way when the server is told to end: container platforms kill after 30 s.
GRACE_SECONDS = 25
# All under way: bytes of bodies, and tokens of long requests, as multiples of what one request may have.
BODIES = 16
LONG_REQUESTS = 2
# Texts of so many characters are long; so many have a process at once, of which so many compute.
LONG_TEXT = 20_000
LONG_PROCESSES, LONG_COMPUTING = 16, 2
# On vLLM's routes, which read and write JSON on the event loop, where all clients wait: a body, and a text in it.
VLLM_BODY_BYTES = 4 << 20
VLLM_CHARACTERS = {"/pooling": 200_000, "/invocations": 200_000, "/tokenize": 20_000, "/detokenize": 20_000}
# A stride makes many windows of few characters; windows of a request may have so many tokens a character, and these.
TOKENS_PER_CHARACTER = 8
LEAST_TOKENS = 1 << 16
# The logits of a request take so many bytes at most.
LOGITS_BYTES = 2 << 30

FIXED = {
    "bytes of the head of a request": (f"{HEAD_BYTES:,}", 431),
    "seconds for a head to arrive": (f"{HEAD_SECONDS}", "closed"),
    "seconds for a body to arrive": (f"{BODY_SECONDS}", 408),
    "seconds for the rest of a body that is answered already": (f"{LINGER_SECONDS}", "closed"),
    "seconds between requests of a connection": (f"{IDLE_SECONDS}", "closed"),
    "fields of an object in a body": (f"{MOST_FIELDS:,}", 413),
    "bytes of all bodies under way, as multiples of one": (f"{BODIES}", 429),
    "tokens of all long requests under way, as multiples of one": (f"{LONG_REQUESTS}", 429),
    "texts of more than 20,000 characters with a process at once": (f"{LONG_PROCESSES}", "waits"),
    "bytes of a body on vLLM's routes": (f"{VLLM_BODY_BYTES:,}", 413),
    "characters, or ids, of a text for /pooling and /invocations": (f"{VLLM_CHARACTERS['/pooling']:,}", 413),
    "characters, or ids, of a text for /tokenize and /detokenize": (f"{VLLM_CHARACTERS['/tokenize']:,}", 413),
    "seconds for requests under way after SIGTERM": (f"{GRACE_SECONDS}", 503),
}


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

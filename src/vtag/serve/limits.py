"""Limits of requests: their size, and their cost."""

from __future__ import annotations

from dataclasses import dataclass

# Constants that no option changes. The head of a request:
HEAD_BYTES = 64 << 10
HEAD_SECONDS = 20  # from the connection, or its first byte
# A body: seconds until it has arrived, and fields of one object (thresholds have one for each label).
BODY_SECONDS = 60
MOST_FIELDS = 10_000
# Time for the rest of a body that is already answered: if the connection closed at once, the client would miss the
# response.
LINGER_SECONDS = 5
# Idle time between requests. Longer than clients and proxies keep a connection: if the server closes first, a request
# is lost.
IDLE_SECONDS = 75
# Time for pending requests when the server ends: container platforms kill after 30 s.
GRACE_SECONDS = 25
# Streams (POST /v1/redact): how many at once; of one, bytes of an event, of all events, and seconds without a byte.
STREAMS = 256
EVENT_BYTES = 1 << 20
STREAM_BYTES = 256 << 20
STREAM_IDLE_SECONDS = 300
# Limits of all pending requests together, as multiples of one request's: bytes of bodies, tokens of long requests.
BODIES = 16
LONG_REQUESTS = 2
# From so many characters on a text is long; processes for long texts, and how many of them compute at once.
LONG_TEXT = 20_000
LONG_PROCESSES, LONG_COMPUTING = 16, 2
# vLLM's routes read and write JSON on the event loop, where all clients wait: limits of a body, and of a text in it.
VLLM_BODY_BYTES = 4 << 20
VLLM_CHARACTERS = {"/pooling": 200_000, "/invocations": 200_000, "/tokenize": 20_000, "/detokenize": 20_000}
# A stride turns few characters into many windows; limit of a request's tokens per character, and its minimum.
TOKENS_PER_CHARACTER = 8
LEAST_TOKENS = 1 << 16
# Limit of a request's logits in bytes.
LOGITS_BYTES = 2 << 30

FIXED = {
    "bytes of the head of a request": (f"{HEAD_BYTES:,}", 431),
    "seconds for a head to arrive": (f"{HEAD_SECONDS}", "closed"),
    "seconds for a body to arrive": (f"{BODY_SECONDS}", 408),
    "seconds for the rest of a body that is answered already": (f"{LINGER_SECONDS}", "closed"),
    "seconds between requests of a connection": (f"{IDLE_SECONDS}", "closed"),
    "fields of an object in a body": (f"{MOST_FIELDS:,}", 413),
    "streams under way at once": (f"{STREAMS}", 429),
    "bytes of an event of a stream": (f"{EVENT_BYTES:,}", 413),
    "bytes of a stream, in place of those of a body": (f"{STREAM_BYTES:,}", 413),
    "seconds without a byte to or from the client of a stream": (f"{STREAM_IDLE_SECONDS}", 408),
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
    """The limits behind --max-NAME of `vtag serve`.

    body_bytes: of a body. values: JSON values in it. texts: of a request. characters: of a text.
    tokens: in all windows of a request. scores: in a response. requests: pending at once.
    """

    body_bytes: int = 16 << 20
    values: int = 250_000
    texts: int = 1024
    characters: int = 1_000_000
    tokens: int = 8 << 20
    scores: int = 1_000_000
    requests: int = 2048

    def tokens_of(self, characters: int, labels: int) -> int:
        """The most tokens in the windows of a request with so many characters, for a model with so many labels."""
        return min(self.tokens, LOGITS_BYTES // (4 * labels), LEAST_TOKENS + TOKENS_PER_CHARACTER * characters)

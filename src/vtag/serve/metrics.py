"""vtag's metrics in /metrics, besides vLLM's. Label values never come from texts: `label` has the model's labels."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

# In seconds: of what takes at most a step or two, and of requests, which may wait for long texts.
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
REQUEST_SECONDS = (*SECONDS, 60, 120, 300)
SHARES = (0.01, 0.03, 0.1, 0.25, 0.5, 0.75, 0.9, 1)

REQUESTS = Counter("vtag_requests", "Requests to vtag's routes", ["route", "status"])
LATENCY = Histogram(
    "vtag_request_seconds",
    "Time from a request's head to the last byte of its response",
    ["route"],
    buckets=REQUEST_SECONDS,
)
REFUSED = Counter("vtag_refused", "Refused requests by kind of error", ["reason"])
UNDER_WAY = Gauge("vtag_requests_under_way", "Admitted requests without a response yet")
TEXTS = Counter("vtag_texts", "Tagged texts")
TOKENS = Counter("vtag_tokens", "Tokens of windows that the engine ran, special ones included")
WINDOWS = Counter("vtag_windows", "Windows that the engine ran")
SPANS = Counter("vtag_spans", "Spans found", ["label"])
QUEUE_SECONDS = Histogram(
    "vtag_queue_seconds", "Time from prepared windows to their first engine step", buckets=SECONDS
)
STEP_SECONDS = Histogram("vtag_turn_seconds", "Engine steps", buckets=SECONDS)
STEP_FILL = Histogram(
    "vtag_turn_fill",
    "Tokens of an engine step as a share of its limit",
    buckets=SHARES,
)

"""Progress of a run: a bar on a terminal, a plain line now and then elsewhere, and a summary."""

from __future__ import annotations

import time
from collections import deque
from typing import TextIO

from tqdm import tqdm

from vtag.files.journal import State

SECONDS = 30  # between plain lines
MEMORY = 20  # recent chunks from which the current speed is estimated


class Bar:
    """Shows each state of a run."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._bar: tqdm | None = None
        self._seen: deque[State] = deque(maxlen=MEMORY)
        self._said = time.monotonic()
        self.state: State | None = None

    def __call__(self, state: State, share: float | None) -> None:
        """Show the state; `share` of the input, from 0 to 1, was read."""
        self.state = state
        self._seen.append(state)
        if self._out.isatty():
            self._draw(share)
        elif time.monotonic() - self._said >= SECONDS:
            self._said = time.monotonic()
            print(f"vtag: {self._line(share)}", file=self._out, flush=True)

    def close(self) -> None:
        """End the bar, and leave it on a line of its own."""
        if self._bar is not None:
            self._bar.close()

    def _draw(self, share: float | None) -> None:
        if self._bar is None:
            self._bar = tqdm(file=self._out, total=1.0, mininterval=0, dynamic_ncols=True)
        # The length of a pipe's input is unknown.
        self._bar.bar_format = "{desc}" if share is None else "{percentage:3.0f}%|{bar}| {desc}"
        self._bar.set_description_str(self._line(share), refresh=False)
        self._bar.n = share or 0
        self._bar.refresh()

    def _line(self, share: float | None) -> str:
        first, last = self._seen[0], self._seen[-1]
        seconds = last.seconds - first.seconds
        parts = [f"{last.records:,} records", f"{last.failures:,} failed"]
        if seconds > 0:
            parts.append(f"{(last.records - first.records) / seconds:,.0f} texts/s")
            parts.append(f"{(last.tokens - first.tokens) / seconds:,.0f} tokens/s")
        if share and last.records:
            parts.append(f"{duration(last.seconds * (1 - share) / share)} left")
        return ", ".join(parts)


def summary(state: State) -> str:
    """Summary of a run: records, spans by label, failures, time, rate."""
    spans = sum(state.labels.values())
    most = sorted(state.labels.items(), key=lambda item: (-item[1], item[0]))
    by_label = ", ".join(f"{label} {count:,}" for label, count in most)
    rate = f", {state.records / state.seconds:,.0f} records/s" if state.seconds else ""
    return (
        f"{state.records:,} records in {duration(state.seconds)}{rate}, {state.failures:,} failed; {spans:,} spans"
        f"{': ' if spans else ''}{by_label}"
    )


def duration(seconds: float) -> str:
    """`8 s`, `03:07`, `1:02:03`."""
    return f"{seconds:.0f} s" if seconds < 60 else tqdm.format_interval(seconds)

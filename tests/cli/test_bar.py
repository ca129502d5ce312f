"""One bar on a terminal, plain lines now and then elsewhere."""

from __future__ import annotations

import io

import pytest

from vtag.cli import bar
from vtag.cli.bar import Bar, duration, summary
from vtag.files.journal import State

STATES = [State(records=1000 * i, tokens=20_000 * i, failures=i, seconds=2.0 * i) for i in range(4)]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_shows_one_bar_with_all_that_one_wants_to_know() -> None:
    out = Terminal()
    shown = Bar(out)
    for state, share in zip(STATES, (None, 0.25, 0.5, 1.0), strict=True):
        shown(state, share)
    shown.close()
    frames = [frame.strip() for frame in out.getvalue().split("\r") if frame.strip()]
    wanted = "3,000 records, 3 failed, 500 texts/s, 10,000 tokens/s, 0 s left"
    assert frames[-1].startswith("100%|")
    assert frames[-1].endswith(wanted)
    assert any(frame.endswith("2,000 records, 2 failed, 500 texts/s, 10,000 tokens/s, 4 s left") for frame in frames)
    assert out.getvalue().count("\n") == 1


def test_elsewhere_there_is_a_line_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(bar.time, "monotonic", lambda: now[0])
    out = io.StringIO()
    shown = Bar(out)
    for seconds, state in enumerate(STATES):
        now[0] = seconds * bar.SECONDS * 0.6
        shown(state, None)
    assert out.getvalue().splitlines() == ["vtag: 2,000 records, 2 failed, 500 texts/s, 10,000 tokens/s"]


def test_what_was_done_before_a_stop_does_not_count_as_speed() -> None:
    out = Terminal()
    shown = Bar(out)
    shown(State(records=1_000_000, tokens=1, seconds=1000.0), None)
    shown(State(records=1_000_100, tokens=1001, seconds=1001.0), 0.9)
    assert "100 texts/s, 1,000 tokens/s" in out.getvalue()
    shown.close()


def test_the_summary_names_labels_from_the_most_frequent_on() -> None:
    state = State(records=1234, failures=5, seconds=61.0, labels={"B": 1, "A": 1, "C": 2000})
    assert summary(state) == "1,234 records in 01:01, 20 records/s, 5 failed; 2,002 spans: C 2,000, A 1, B 1"
    assert summary(State()) == "0 records in 0 s, 0 failed; 0 spans"
    assert (duration(3725), duration(7.25)) == ("1:02:05", "7 s")

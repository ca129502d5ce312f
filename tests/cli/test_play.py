"""`vtag play` opens the page where there is a screen; tests/serve/page/test_playground.py has a whole one."""

from __future__ import annotations

import pytest

from vtag.cli import play


def test_without_a_screen_it_says_where_the_page_is(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setattr("webbrowser.open", lambda url: pytest.fail("a browser of the terminal's"))
    play._open("http://127.0.0.1:8000")
    assert capsys.readouterr().out == "\nTo see the spans of a text, open http://127.0.0.1:8000/playground\n"

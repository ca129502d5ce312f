"""`vtag play MODEL`: `vtag serve`, and its page in a browser."""

from __future__ import annotations

import argparse
import os
import sys
import threading
import webbrowser

from vtag.cli import serve

parser = serve.parser


def run(args: argparse.Namespace) -> int:
    """Serve until stopped."""
    return serve.run(args, _open)


def _open(url: str) -> None:
    page = f"{url}/playground"
    if not _screen():
        print(f"\nTo see the spans of a text, open {page}", flush=True)
        return
    print(f"\nOpening {page}", flush=True)
    # Some browsers block until they are closed, and the server must answer them meanwhile.
    threading.Thread(target=webbrowser.open, args=[page], daemon=True).start()


def _screen() -> bool:
    """Whether there is a display; without one Python would start a text browser in the terminal."""
    return sys.platform in ("darwin", "win32") or any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY"))

"""stdin, stdout and stderr, whatever the shell has made of them."""

from __future__ import annotations

import errno
import fcntl
import os
import select
import sys
import time
from collections.abc import Iterator
from contextlib import suppress

from vtag.errors import error

# What a pipe is to hold: its writer gets little time beside an engine, and is to use it well.
PIPE = 1 << 20
# Nothing more within this time: what has come is wanted now. A writer that is only slower than we read is not so slow.
PAUSE_SECONDS = 0.01
# How often a signal is looked for that came on the way into a wait: it does not end that wait.
WAKE_SECONDS = 0.2
# A line waits no longer for those that come one by one behind it.
PATIENCE_SECONDS = 0.1
# Of stdout: no room, no such file, a broken disk.
FAILED = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EBADF, errno.EIO)


def ensure_standard_fds() -> None:
    """Where one of the three is closed, the next file that is opened would be taken for it: put something there.

    What cannot be written to says so when it is; of messages nobody wants, there is no more to say.
    """
    for number, mode in enumerate((os.O_WRONLY, os.O_RDONLY, os.O_WRONLY)):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, mode)  # the lowest number that is free: this one
    sys.stdout = sys.stdout or open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.stderr = sys.stderr or open(2, "w", encoding="utf-8", closefd=False)  # noqa: SIM115


def write(text: str) -> None:
    """Hand on to stdout at once."""
    sys.stdout.write(text)
    sys.stdout.flush()


def silence() -> None:
    """Nobody reads stdout, or it cannot be written: no complaint, and none from Python when it flushes at the end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def runs_of_lines(most: int, size: int) -> Iterator[list[str]]:
    """The lines of stdin as they come: up to `most` lines, or `size` characters, at once.

    An empty run says that no more has come for now; what comes slowly, but without a pause, comes in short runs. Line
    ends and a byte order mark are no part of a line. Raises InputError for a line that is not UTF-8, after all lines
    before it.
    """
    from vtag.files.plain_text import decode
    from vtag.text.batching import BatchFill

    lines: list[str] = []
    filling = BatchFill(most, size)
    number = 0
    since = 0.0
    rest: list[bytes] = []
    source = sys.stdin.fileno()
    with suppress(OSError, AttributeError):  # no pipe, more than this user may ask for, not on Linux
        fcntl.fcntl(source, fcntl.F_SETPIPE_SZ, PIPE)
    for data in _reads(source):
        *whole, last = (data or b"").split(b"\n")
        if whole:
            whole[0] = b"".join([*rest, whole[0]])
            rest = []
        rest.append(last)
        if data == b"" and any(rest):
            whole = [b"".join(rest)]  # the last line has no end
        for line in whole:
            number += 1
            text = decode(line, number)
            if text is None:
                if lines:
                    yield lines
                raise error("not_utf8", line=number)
            since = since if lines else time.monotonic()
            lines.append(text)
            if filling.add(len(text)):
                yield lines
                lines = []
                filling.clear()
        if lines and (not data or time.monotonic() - since >= PATIENCE_SECONDS):
            yield lines
            lines = []
            filling.clear()
        if data is None:
            yield []


def _reads(source: int) -> Iterator[bytes | None]:
    """What there is to read, then b""; None where nothing has come for a while."""
    data: bytes | None = None
    while data != b"":
        try:
            if not select.select([source], [], [], PAUSE_SECONDS)[0]:
                yield None
                while not select.select([source], [], [], WAKE_SECONDS)[0]:
                    pass
            data = os.read(source, PIPE)
        except OSError as cause:
            raise error("stdin_failed", reason=cause.strerror) from cause
        yield data

"""stdin, stdout and stderr, in every state in which a shell may pass them."""

from __future__ import annotations

import codecs
import errno
import fcntl
import os
import select
import sys
import time
from collections.abc import Iterator
from contextlib import suppress

from vtag.errors import error

# Size of the pipe at stdin: the writer gets little time beside an engine, and should use it fully.
PIPE = 1 << 20
# A pause in the input: what has arrived is tagged now. A writer that is only slower than vtag pauses less.
PAUSE_SECONDS = 0.01
# How often to check for a signal that arrived just before a wait: such a signal does not interrupt it.
WAKE_SECONDS = 0.2
# The longest time that a line waits for lines that follow slowly.
PATIENCE_SECONDS = 0.1
# Errors of stdout: no space, no such file, a broken disk.
FAILED = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EBADF, errno.EIO)


def ensure_standard_fds() -> None:
    """If fd 0, 1 or 2 is closed, open /dev/null there, so that the next file opened does not get that descriptor.

    Writing to it fails and is reported as for any stdout; messages to a closed stderr are lost.
    """
    for number, mode in enumerate((os.O_WRONLY, os.O_RDONLY, os.O_WRONLY)):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, mode)  # gets the lowest free number, which is this one
    sys.stdout = sys.stdout or open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.stderr = sys.stderr or open(2, "w", encoding="utf-8", closefd=False)  # noqa: SIM115


def write(text: str) -> None:
    """Write to stdout and flush."""
    sys.stdout.write(text)
    sys.stdout.flush()


def discard_stdout() -> None:
    """Redirect stdout to /dev/null after its reader has gone or it has failed, so that Python's flush at exit cannot
    fail.
    """
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def read_lines(most: int, size: int, *, ends: bool = False) -> Iterator[list[str]]:
    """Lines of stdin as they arrive: up to `most` lines, or `size` characters, at once.

    An empty list means that no input is waiting; input that arrives slowly, but without a pause, comes in short lists.
    Lines have no byte order mark, and line ends only if `ends` is true. Raises InputError for a line that is not
    UTF-8, after all lines before it.
    """
    from vtag.files.plain_text import decode
    from vtag.text.batching import BatchFill

    lines: list[str] = []
    filling = BatchFill(most, size)
    number = 0
    since = 0.0
    rest: list[bytes] = []
    source = sys.stdin.fileno()
    with suppress(OSError, AttributeError):  # not a pipe, more than this user may request, or not Linux
        fcntl.fcntl(source, fcntl.F_SETPIPE_SZ, PIPE)
    for data in _read_blocks(source):
        *whole, last = (data or b"").split(b"\n")
        if whole:
            whole[0] = b"".join([*rest, whole[0]])
            rest = []
        rest.append(last)
        after = "\n"
        if data == b"" and any(rest):
            whole, after = [b"".join(rest)], ""  # the last line has no line end
        for line in whole:
            number += 1
            text = decode(line, number)
            if text is None:
                if lines:
                    yield lines
                raise error("not_utf8", line=number)
            since = since if lines else time.monotonic()
            lines.append(f"{text}\r{after}" if ends and line.endswith(b"\r") else f"{text}{after}" if ends else text)
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


def read_text() -> Iterator[str]:
    """The text of stdin in pieces, as it arrives. Raises InputError at bytes that are not UTF-8."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    at = 0
    for data in _read_blocks(sys.stdin.fileno()):
        if data is not None:
            try:
                text = decoder.decode(data, final=not data)
            except UnicodeDecodeError as cause:
                raise error("text_not_utf8", at=at + cause.start - len(decoder.getstate()[0])) from None
            at += len(data)
            yield text


def _read_blocks(source: int) -> Iterator[bytes | None]:
    """Blocks of input, then b""; None during a pause."""
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

"""What the shell hands over: lines that trickle, odd bytes, streams that are closed or full, Ctrl-C."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vtag.cli import streams
from vtag.cli.main import main
from vtag.errors import VtagError

if TYPE_CHECKING:
    from vtag import LLM

GOLD = Path(__file__).parent.parent / "data" / "pii_synth_gold.jsonl"
VTAG = [sys.executable, "-m", "vtag"]
LONG = "I am Ann Smith. " + "x" * 3_000_000 + " Call Bob."


@pytest.fixture
def shared(llm: LLM, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command line with the engine that is there already."""
    monkeypatch.setattr("vtag.engine.llm.LLM.of", lambda made: llm)


# Bytes of stdin -> exit code, the texts that are answered, and what stderr says.
INPUTS: dict[str, tuple[bytes, int, list[str], str]] = {
    "CRLF": (b"I am Ann.\r\nCall Bob.\r\n", 0, ["I am Ann.", "Call Bob."], ""),
    "a byte order mark": (b"\xef\xbb\xbfI am Ann.\nCall Bob.", 0, ["I am Ann.", "Call Bob."], ""),
    "no last line end, blank lines": (b"\nI am Ann.\n\n Call Bob.", 0, ["", "I am Ann.", "", " Call Bob."], ""),
    "a lone carriage return": (b"I am\rAnn.\n\r\n", 0, ["I am\rAnn.", ""], ""),
    "NUL": (b"I am \0 Ann.\n\0\n", 0, ["I am \0 Ann.", "\0"], ""),
    "3 MB in a line": (f"{LONG}\nCall Bob.\n".encode(), 0, [LONG, "Call Bob."], ""),
    "latin-1": ("I am Ann.\ncaf\xe9\nBob\n".encode("latin-1"), 4, ["I am Ann."], "line 2 is not UTF-8: convert"),
    "UTF-16": ("I am Ann.\nCall Bob.\n".encode("utf-16"), 4, [], "line 1 is not UTF-8: convert the input first"),
    "UTF-16 without a mark": ("I am Ann.\n".encode("utf-16-le"), 4, [], "line 1 is not UTF-8: convert the input first"),
    "cut in a letter": ("I am Ann.\nJosé".encode()[:-1], 4, ["I am Ann."], "line 2 is not UTF-8"),
    "nothing": (b"", 0, [], ""),
}


@pytest.mark.parametrize(("data", "code", "texts", "says"), INPUTS.values(), ids=INPUTS)
def test_odd_bytes_of_stdin(
    shared: None,
    data: bytes,
    code: int,
    texts: list[str],
    says: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "in").write_bytes(data)
    with open(tmp_path / "in", encoding="utf-8") as file:
        monkeypatch.setattr(sys, "stdin", file)
        assert main(["tag", "demo", "--json"]) == code
    out, err = capsys.readouterr()
    rows = [json.loads(line) for line in out.splitlines()]
    assert [row["text"] for row in rows] == texts
    for text, row in zip(texts, rows, strict=True):
        assert {"Ann", "Bob"} & {span["text"] for span in row["spans"]} or not text.strip("\0 \r\n")
        assert all(span["text"] == text[span["start"] : span["end"]] for span in row["spans"])
    assert says in err
    assert err.count("\n") == (1 if says else 0)
    assert "caf" not in err


def read_runs(write: Any, most: int = 2048, size: int = 1 << 20) -> Iterator[list[str]]:
    """`read_lines` of a pipe that `write` fills, in a thread."""
    source, sink = os.pipe()

    def fill() -> None:
        try:
            write(sink)
        finally:
            os.close(sink)

    thread = threading.Thread(target=fill)
    thread.start()
    before, sys.stdin = sys.stdin, os.fdopen(source)
    try:
        yield from streams.read_lines(most, size)
    finally:
        sys.stdin.close()
        sys.stdin = before
        thread.join()


def test_lines_that_trickle_come_one_by_one_each_followed_by_an_empty_run() -> None:
    def trickle(sink: int) -> None:
        for line in (b"one\n", b"tw", b"o\nthree\nfo", b"ur"):
            os.write(sink, line)
            time.sleep(0.2)

    assert list(read_runs(trickle)) == [["one"], [], [], ["two", "three"], [], [], ["four"]]


def test_lines_that_come_slowly_but_without_a_pause_are_not_kept_back() -> None:
    done = threading.Event()

    def drip(sink: int) -> None:
        for number in range(500):
            os.write(sink, b"line %d\n" % number)
            time.sleep(0.004)
        done.set()

    runs = read_runs(drip)
    first = next(run for run in runs if run)
    assert not done.is_set()
    assert [*first, *(line for run in runs for line in run)] == [f"line {number}" for number in range(500)]


def test_lines_that_flow_come_in_full_runs() -> None:
    def flow(sink: int) -> None:
        with os.fdopen(os.dup(sink), "wb") as file:
            file.writelines(b"line %d\n" % number for number in range(10_000))

    runs = [run for run in read_runs(flow, most=1000) if run]
    assert [line for run in runs for line in run] == [f"line {number}" for number in range(10_000)]
    assert sum(len(run) == 1000 for run in runs) >= 8
    assert max(map(len, runs)) == 1000


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\n"), max_size=8), max_size=8))
def test_every_line_comes_as_it_is_however_it_is_cut(lines: list[str]) -> None:
    data = "".join(f"{line}\n" for line in lines).encode()
    expected = [line.removesuffix("\r") for line in lines]
    if expected:
        expected[0] = expected[0].removeprefix("\ufeff")

    def pieces(sink: int) -> None:
        for at in range(0, len(data), 3):
            os.write(sink, data[at : at + 3])

    assert [line for run in read_runs(pieces, most=2) for line in run] == expected


def test_ctrl_c_that_comes_on_the_way_into_a_wait_ends_it_too(monkeypatch: pytest.MonkeyPatch) -> None:
    source, sink = os.pipe()
    # Sent to another thread, it is noted by Python and ends no wait of the main thread.
    other = threading.Timer(0.1, lambda: signal.pthread_kill(threading.get_ident(), signal.SIGINT))
    end = threading.Timer(10, os.close, [sink])
    with os.fdopen(source) as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        runs = streams.read_lines(1, 1)
        assert next(runs) == []
        other.start()
        end.start()
        with pytest.raises(KeyboardInterrupt):
            next(runs)
        assert not end.finished.is_set()
        end.cancel()
    os.close(sink)


def test_a_folder_as_stdin(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    folder = os.open(tmp_path, os.O_RDONLY)

    class Folder:
        def fileno(self) -> int:
            return folder

    monkeypatch.setattr(sys, "stdin", Folder())
    with pytest.raises(VtagError, match=r"^stdin cannot be read \(Is a directory\)"):
        list(streams.read_lines(1, 1))
    os.close(folder)


FULL_DISK = [
    ["tag", "demo", "I am Ann Smith."],
    ["tag", "demo", "I am Ann Smith.", "--json"],
    ["run", "demo", str(GOLD), "-o", "-", "--spans-field", "found", "--quiet"],
]


@pytest.mark.parametrize("arguments", FULL_DISK, ids=" ".join)
def test_a_full_disk_behind_stdout(
    arguments: list[str], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    with open("/dev/full", "w", encoding="utf-8") as full:
        monkeypatch.setattr(sys, "stdout", full)
        assert main(arguments) == 5
    err = capfd.readouterr().err.splitlines()[-1]
    assert err == "vtag: stdout cannot be written (No space left on device): fix that, or write to a file"


def test_a_full_disk_behind_the_page(shared: None, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tag", "demo", "I am Ann.", "--html", "/dev/full"]) == 5
    assert capsys.readouterr().err.splitlines()[-1].startswith("vtag: /dev/full: cannot be written (No space left")


# --- processes of their own, as the shell starts them ---


def shell(line: str, **environment: str) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of a line of sh, in which `vtag` is ours."""
    done = subprocess.run(
        ["sh", "-c", line.replace("vtag", " ".join(VTAG))],
        capture_output=True,
        text=True,
        env=os.environ | environment,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


CLOSED = "vtag: stdout cannot be written (Bad file descriptor): fix that, or write to a file\n"
FULL = "vtag: stdout cannot be written (No space left on device): fix that, or write to a file\n"
NO_TEXT = "vtag: no text: give texts after the model, or pipe them in, one a line\n"
NO_STDIN = "vtag: stdin is closed: pipe the input in, or name files\n"
LINES = {
    "vtag models > /dev/full": (5, FULL),
    "vtag doctor > /dev/full": (5, FULL),
    "vtag models >&-": (5, CLOSED),
    "vtag models <&- >&- 2>&-": (5, ""),
    "vtag models | head -1 > /dev/null": (0, ""),
    "vtag tag demo <&-": (2, NO_TEXT),
    "vtag run demo - -o out.jsonl <&-": (2, NO_STDIN),
    "vtag tag ./none text 2>&-": (3, ""),
}


@pytest.mark.parametrize("line", LINES)
def test_streams_that_are_closed_or_full(line: str) -> None:
    code, err = LINES[line]
    assert shell(line)[::2] == (code, err)


@pytest.mark.parametrize("place", ["file", "file/below", "/proc/none", "/dev/null/cache"])
def test_a_cache_that_cannot_be_made_is_one_line_and_no_other_folder_is_taken_instead(
    place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("", "utf-8")
    for name, below in (("VTAG_CACHE", ""), ("XDG_CACHE_HOME", "/vtag"), ("HOME", "/.cache/vtag")):
        with monkeypatch.context() as patch:
            for other in ("VTAG_CACHE", "XDG_CACHE_HOME"):
                patch.delenv(other, raising=False)
            patch.setenv(name, str(tmp_path / place))
            assert main(["tag", "demo", "I am Ann."]) == 5
        out, err = capsys.readouterr()
        assert (out, err.count("\n")) == ("", 1)
        assert err.startswith(f"vtag: {tmp_path / place}{below}: cannot be written (")
        assert "VTAG_CACHE" in err
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_line_is_answered_while_the_pipe_is_open_and_ctrl_c_ends_it_with_130() -> None:
    with subprocess.Popen(
        [*VTAG, "tag", "demo", "--json"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        for name in ("Ann", "Bob"):
            process.stdin.write(f"I am {name}.\n")
            process.stdin.flush()
            assert [span["text"] for span in json.loads(process.stdout.readline())["spans"]] == [name]
        process.send_signal(signal.SIGINT)
        assert (process.wait(30), process.stdout.read(), process.stderr.read()) == (130, "", "")


@pytest.mark.parametrize("seconds", [0.5, 3])
def test_ctrl_c_while_all_is_loaded_is_130_and_no_word(seconds: float) -> None:
    with subprocess.Popen(
        [*VTAG, "tag", "demo", "I am Ann."], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        time.sleep(seconds)
        process.send_signal(signal.SIGINT)
        assert (*process.communicate(timeout=30), process.returncode) == (b"", b"", 130)

"""`vtag redact` and `vtag restore`: lines, files, exit codes, and one line for each mistake."""

from __future__ import annotations

import fcntl
import io
import json
import os
import subprocess
import sys
import termios
import time
from array import array
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from threading import Thread

import pytest

from tests.redact.given import KEY, OTHER_KEY
from vtag.cli import streams
from vtag.cli.main import main

POLICY = 'default = "token"\n[labels]\nGIVEN_NAME = "number"\nSURNAME = "remove"\n'
NAMED = "I am Ann Smith, ann@smith.org."


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("VTAG_REDACT_KEY", KEY)
    (tmp_path / "policy.toml").write_text(POLICY)
    (tmp_path / "in.jsonl").write_text(json.dumps({"text": NAMED}) + "\n{}\n")
    return tmp_path


Pipe = Callable[[bytes], None]


@pytest.fixture
def stdin(monkeypatch: pytest.MonkeyPatch) -> Iterator[Pipe]:
    """Puts bytes on a pipe at stdin."""
    with ExitStack() as stack:

        def put(data: bytes) -> None:
            reads, writes = os.pipe()
            os.write(writes, data)
            os.close(writes)
            monkeypatch.setattr(sys, "stdin", stack.enter_context(open(reads, encoding="utf-8")))

        yield put


def test_lines_of_stdin_keep_their_ends(stdin: Pipe, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    stdin(f"{NAMED}\r\n\n\r\n  \nI am Bob Jones.".encode())
    assert main(["redact", "demo", "-"]) == 0
    sys.stdout.flush()
    out, _ = capfdbinary.readouterr()
    assert out.decode() == "I am [GIVEN_NAME] [SURNAME], [EMAIL].\r\n\n\r\n  \nI am [GIVEN_NAME] [SURNAME]."


def test_a_line_that_cannot_be_redacted_ends_it_and_is_not_written(
    stdin: Pipe, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    stdin(b"I am Bob Jones.\nI am Zebedee \xff\n")
    assert main(["redact", "demo"]) == 4
    sys.stdout.flush()
    out, err = capfdbinary.readouterr()
    assert out == b"I am [GIVEN_NAME] [SURNAME].\n"
    assert err.splitlines()[-1].startswith(b"vtag: line 2 is not UTF-8")
    assert b"Zebedee" not in err


LONG = "It rains again, and nobody minds. " * 12


@pytest.mark.parametrize(
    ("pieces", "written"),
    [
        (["Contact bob@", "acme.com now"], ["", "Contact [EMAIL] now"]),
        (
            ["I am Zo\u00eb".encode()[:-1], "\u00eb".encode()[1:] + b" Smith.\r\n"],
            ["", "I am [GIVEN_NAME] [SURNAME].\r\n"],
        ),
        ([f"Ask Ann Smith. {LONG}", "Bye"], ["Ask [GIVEN_NAME] [SURNAME]. It rains", "Bye"]),
    ],
)
def test_a_stream_is_written_as_far_as_it_is_final(
    pieces: list[str | bytes], written: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before each piece after the first: what is written once the one before it was read, and half a second is past."""
    reads, writes = os.pipe()
    out: list[str] = []
    before: list[str] = []

    def write() -> None:
        for piece in pieces:
            os.write(writes, piece.encode() if isinstance(piece, str) else piece)
            while array("i", fcntl.ioctl(reads, termios.FIONREAD, b"\0" * 4))[0]:
                time.sleep(0.05)
            time.sleep(0.5)
            before.append("".join(out))
        os.close(writes)

    monkeypatch.setattr(streams, "write", out.append)
    with open(reads, encoding="utf-8") as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        writer = Thread(target=write)
        writer.start()
        assert main(["redact", "demo", "-", "--stream"]) == 0
        writer.join()
    assert before[0].startswith(written[0])
    assert written[0] or not before[0]
    assert "".join(out).endswith(written[1])


def test_a_stream_ends_at_bytes_that_are_no_text_and_takes_no_output(
    stdin: Pipe, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    stdin(LONG.encode() + b"I am Zebedee \xff\n")
    assert main(["redact", "demo", "-", "--stream"]) == 4
    sys.stdout.flush()
    out, err = capfdbinary.readouterr()
    assert LONG.startswith(out.decode())
    assert err.splitlines()[-1].startswith(f"vtag: byte {len(LONG) + 13} is not UTF-8".encode())
    assert b"Zebedee" not in out + err
    assert main(["redact", "demo", "-", "--stream", "-o", "out.jsonl"]) == 2
    assert b"--stream reads stdin and writes stdout" in capfdbinary.readouterr()[1]


def test_files_go_there_and_back(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["redact", "demo", "in.jsonl", "-o", "out.jsonl", "--policy", "policy.toml", "--mapping", "m.jsonl"]
    assert main(command) == 6
    assert "1 failed; 3 spans" in capsys.readouterr().err
    row = json.loads((folder / "out.jsonl").read_text())
    assert row["text"].startswith("I am [GIVEN_NAME_1] , [EMAIL:")
    assert main(["restore", "out.jsonl", "-o", "back.jsonl", "--policy", "policy.toml", "--mapping", "m.jsonl"]) == 0
    assert json.loads((folder / "back.jsonl").read_text()) == {"text": "I am Ann , ann@smith.org."}
    assert main(command) == 6
    assert "already finished" in capsys.readouterr().err
    # An answer to the text, in other words.
    (folder / "answer.txt").write_bytes(f"Mail {row['text'].split(', ')[1]} \xff".encode("latin-1"))
    with (folder / "answer.txt").open("rb") as answer:
        done = subprocess.run([sys.executable, "-m", "vtag", "restore"], stdin=answer, capture_output=True, check=True)
    assert done.stdout == b"Mail ann@smith.org. \xff"


def test_a_pipe_of_records(monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(json.dumps({"text": NAMED}).encode())))
    assert main(["redact", "demo", "-o", "-", "--quiet"]) == 0
    sys.stdout.flush()
    assert json.loads(capfdbinary.readouterr().out)["text"] == "I am [GIVEN_NAME] [SURNAME], [EMAIL]."


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["redact", "demo", "in.jsonl"], 2, "name one after -o"),
        (["redact", "demo", "--mapping", "m.jsonl"], 2, "have no use for --mapping"),
        (["redact", "demo", "--text-field", "body"], 2, "have no use for --text-field"),
        (["redact", "demo", "--strict"], 2, "have no use for --strict"),
        (["redact", "demo", "--ray"], 2, "have no use for --ray"),
        (["redact", "demo", "in.jsonl", "-o", "o.jsonl", "--policy", "none.toml"], 2, "none.toml: cannot be read"),
        (["redact", "demo", "in.jsonl", "-o", "o.jsonl", "--policy", "in.jsonl"], 2, "not JSON"),
        (["redact", "demo", "in.jsonl", "-o", "o.jsonl", "--policy", "typo.toml"], 2, "no label 'EMIAL'"),
        (["redact", "demo", "in.jsonl", "-o", "o.jsonl", "--policy", "key.toml"], 2, "policy: it never holds a key"),
        (["redact", "demo", "in.jsonl", "-o", "o.txt"], 2, "the output has an unknown extension"),
        (["redact", "demo", "in.jsonl", "-o", "o.jsonl", "--mapping", "o.jsonl"], 2, "cannot be in the output"),
        (["restore", "in.jsonl"], 2, "name one after -o"),
        (["restore", "--mapping", "m.jsonl"], 2, "have no use for --mapping"),
        (["restore", "in.jsonl", "-o", "o.jsonl", "--mapping", "none.jsonl"], 4, "none.jsonl: cannot be read"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_mistakes_are_one_line(
    folder: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, says: str
) -> None:
    (folder / "key.toml").write_text(f'key = "{KEY}"\n')
    (folder / "typo.toml").write_text('[labels]\nEMIAL = "mask"\n')
    assert main(arguments) == code
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert says in err
    assert KEY not in err
    assert not (folder / "o.jsonl").exists()


def test_a_policy_with_a_context_needs_records(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "policy.toml").write_text('default = "shift"\ncontext = "patient"\n')
    assert main(["redact", "demo", "--policy", "policy.toml"]) == 2
    assert "a context in the policy" in capsys.readouterr().err


def test_a_wrong_key_is_one_line_and_no_key_nothing(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(["redact", "demo", "in.jsonl", "-o", "out.jsonl", "--policy", "policy.toml", "--quiet"]) == 6
    monkeypatch.setenv("VTAG_REDACT_KEY", OTHER_KEY)
    assert main(["restore", "out.jsonl", "-o", "back.jsonl", "--policy", "policy.toml"]) == 4
    said = "vtag: out.jsonl: record 1: has a token of another key, or one that was changed: use the key"
    assert capfd.readouterr().err.splitlines()[-1].startswith(said)
    monkeypatch.delenv("VTAG_REDACT_KEY")
    assert main(["redact", "demo", "in.jsonl", "-o", "none.jsonl", "--policy", "policy.toml"]) == 2
    assert "no key: set" in capfd.readouterr().err
    assert not Path("none.jsonl").exists()


@pytest.mark.long
def test_nothing_that_a_run_says_or_writes_beside_its_mapping_has_a_value_or_the_key(folder: Path) -> None:
    """With all logs on, through failures, a wrong key and a changed mapping."""
    values = ["Marisol", "Okonkwo", "marisol@okonkwo.org", "Dunmere"]
    text = "Hi, I'm Marisol Okonkwo from Dunmere, marisol@okonkwo.org."
    rows = [{"text": text}] * 50 + [{"text": [text]}, {text: text}]
    (folder / "in.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows) + f'{{"{text}\n')
    (folder / "policy.toml").write_text(
        'default = "token"\ndeny = ["Dunmere"]\n[labels]\nSURNAME = "fake"\nGIVEN_NAME = "hash"\n'
    )
    said = ""

    def vtag(*arguments: str, key: str = KEY) -> None:
        nonlocal said
        command = [sys.executable, "-m", "vtag", *arguments, "--policy", "policy.toml"]
        loud = os.environ | {"VTAG_REDACT_KEY": key, "VTAG_DEBUG": "1", "VLLM_LOGGING_LEVEL": "DEBUG"}
        running = subprocess.Popen(command, env=loud, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        said += f"{command} {Path('/proc', str(running.pid), 'cmdline').read_text()}\n{running.communicate()[0]}"

    vtag("redact", "demo", "in.jsonl", "-o", "out.jsonl", "--mapping", "secret")
    vtag("redact", "demo", "in.jsonl", "-o", "out.jsonl", "--mapping", "secret", key=OTHER_KEY)
    vtag("restore", "out.jsonl", "-o", "back.jsonl", "--mapping", "secret", key=OTHER_KEY)
    (folder / "changed").write_text((folder / "secret").read_text().replace("Okonkwo", "Okonkwe"))
    vtag("restore", "out.jsonl", "-o", "back.jsonl", "--mapping", "changed")
    vtag("redact", "demo", "in.jsonl", "-o", "strict.jsonl", "--strict")
    assert "3 failed" in said
    assert all(
        line in said for line in ("another redaction key", "record 1: has a token", "changed: line 1", "record 51")
    )
    written = {path: path.read_text("utf-8") for path in folder.iterdir()}
    assert "Okonkwo" in written[folder / "secret"]
    public = said + "".join(written[folder / f"out.jsonl{end}"] for end in ("", ".journal", ".errors.jsonl"))
    for secret in (*values, "Okonkwe", KEY, OTHER_KEY):
        assert secret not in public

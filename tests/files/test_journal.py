"""The journal: what was written whole counts, what was half written does not, and one run at a time holds it."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from vtag.errors import VtagError
from vtag.files.journal import Journal, State

STATES = [State(record=i, size=10 * i, records=i, labels={"A": i}) for i in range(1, 4)]


def written(path: Path) -> bytes:
    journal = Journal(path, "out")
    journal.begin({"model": "m"})
    for state in STATES:
        journal.add(state)
    journal.close()
    return path.read_bytes()


def test_a_journal_cut_anywhere_knows_its_last_whole_line(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    data = written(path)
    ends = [i + 1 for i, byte in enumerate(data) if byte == ord("\n")]
    for size in range(len(data) + 1):
        path.write_bytes(data[:size])
        whole = sum(end <= size for end in ends)
        journal = Journal(path, "out")
        assert journal.key == (None if whole == 0 else {"model": "m"})
        assert journal.state == (State() if whole < 2 else STATES[whole - 2])
        if whole:
            journal.add(replace(STATES[-1], done=True))
            assert path.read_bytes()[: ends[whole - 1]] == data[: ends[whole - 1]]
        journal.close()


@pytest.mark.parametrize("line", [b"\x00" * 40 + b"\n", b"[]\n", b'{"unknown": 1}\n', b"1\n"])
def test_what_is_no_state_ends_it(line: bytes, tmp_path: Path) -> None:
    path = tmp_path / "journal"
    path.write_bytes(written(path) + line + b'{"record": 9}\n')
    journal = Journal(path, "out")
    assert journal.state == STATES[-1]
    journal.close()


def test_it_says_what_is_not_as_it_was(tmp_path: Path) -> None:
    written(tmp_path / "journal")
    journal = Journal(tmp_path / "journal", "out")
    assert journal.differs({"model": "m"}) == []
    assert journal.differs({"model": "n", "threshold": "0.5"}) == ["model", "threshold"]
    assert journal.differs({}) == ["model"]
    journal.close()


def test_a_second_run_is_refused_and_a_killed_one_leaves_no_lock(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    code = "import sys, time; from pathlib import Path; from vtag.files.journal import Journal\n"
    code += "held = Journal(Path(sys.argv[1]), 'out'); print('held', flush=True); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"held\n"
        with pytest.raises(VtagError, match=r"^out: another run is writing it: wait") as caught:
            Journal(path, "out")
        assert caught.value.exit_code == 5
        other.kill()
        other.wait()
        Journal(path, "out").close()

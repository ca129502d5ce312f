"""An engine's start is quiet, and leaves the process's hooks alone."""

from __future__ import annotations

from tests import scripts

SCRIPT = """
import sys
from vllm import LLM
hook = sys.excepthook
print(LLM(model="demo", task="token_classification"))
assert sys.excepthook is hook
raise KeyError("mine")
"""


def test_the_traceback_of_a_users_script_is_pythons_own_and_nothing_else_is_on_stderr() -> None:
    done = scripts.run(["-c", SCRIPT])
    assert done.returncode == 1
    assert done.stdout.startswith("LLM('demo': 35 labels, IOB2, ")
    trace = ["Traceback (most recent call last):", '  File "<string>", line 7, in <module>', "KeyError: 'mine'"]
    assert done.stderr.splitlines() == trace

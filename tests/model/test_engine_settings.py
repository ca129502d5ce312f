"""An engine's start is quiet, and leaves the process's hooks alone."""

from __future__ import annotations

import pytest
from transformers import BertConfig

from tests import scripts
from vtag.model import engine_settings
from vtag.system import device

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


def test_on_a_gpu_a_packed_model_gets_large_requests_and_asks_for_a_tenth_of_the_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(device, "dtype", lambda: "bfloat16")
    monkeypatch.setattr(device, "on_cuda", lambda: True)
    settings = engine_settings.packed(512, BertConfig())
    assert settings["max_num_batched_tokens"] == settings["max_model_len"] == 1 << 16
    assert settings["gpu_memory_utilization"] == 0.1
    monkeypatch.setattr(device, "on_cuda", lambda: False)
    assert "gpu_memory_utilization" not in engine_settings.packed(512, BertConfig())

"""What an engine of vLLM's gives is looked at before it becomes spans."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from vllm.outputs import PoolingOutput, PoolingRequestOutput

from vtag.engine.async_engine import AsyncEngine
from vtag.errors import VtagError
from vtag.model.plan import make_plan
from vtag.types import Window


class Stock:
    """As vLLM's server answers for models that it runs by its fallback for sequence classifiers."""

    vllm_config = SimpleNamespace(scheduler_config=SimpleNamespace(max_num_batched_tokens=100, max_num_seqs=8))

    def __init__(self, *shape: int) -> None:
        self.shape = shape

    async def encode(self, prompt: Any, params: Any, key: str) -> AsyncIterator[PoolingRequestOutput[PoolingOutput]]:
        yield PoolingRequestOutput(key, PoolingOutput(torch.zeros(self.shape)), [], 0, True)


@pytest.mark.parametrize("shape", [(1, 4, 35), (4, 34), (3, 35), (35,)])
def test_what_is_no_row_of_logits_per_token_is_refused(shape: tuple[int, ...]) -> None:
    client: Any = Stock(*shape)
    windows = [Window(np.zeros(4, np.int32), 0, 0, 4)]
    with pytest.raises(VtagError, match="start it with `vtag serve`") as raised:
        asyncio.run(AsyncEngine(make_plan("demo"), client).run(windows))
    assert raised.value.kind == "not_per_token"


# As in WSL, where NVIDIA's library for monitoring does not survive a fork.
SPAWNED = """
import asyncio, sys
import numpy as np
from vllm.utils import system_utils

system_utils.in_wsl = lambda: True
from vtag.system import environment
from vtag.engine.async_engine import AsyncEngine, start
from vtag.model.plan import make_plan
from vtag.types import Window

made = make_plan("demo")
with environment.for_engine():
    client = start(made)
print(asyncio.run(AsyncEngine(made, client).run([Window(np.arange(4, dtype=np.int32), 0, 0, 4)]))[0].shape)
client.shutdown()
"""


@pytest.mark.long
def test_where_a_fork_would_not_do_the_engine_is_a_process_of_its_own() -> None:
    done = subprocess.run([sys.executable, "-c", SPAWNED], capture_output=True, text=True, timeout=200, check=False)
    assert done.stdout == "(4, 35)\n", done.stderr

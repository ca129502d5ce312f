"""Which rows a short run takes, and the count of rows that are right."""

from __future__ import annotations

import os
import random
from collections.abc import Callable

import pytest

from tests.parity.checkpoints import ROWS

# Of weights, texts and the sample: any other may be asked for.
SEED = int(os.environ.get("VTAG_PARITY_SEED", "24659"))
# The most asked for are in every run.
ALWAYS = ["bert", "deberta-v2", "roberta", "distilbert", "qwen2"]
SAMPLE = [*ALWAYS, *random.Random(SEED).sample(sorted(set(ROWS) - set(ALWAYS)), 10)]

_right: set[str] = set()


@pytest.fixture
def right() -> Callable[[str], None]:
    return _right.add


def pytest_report_header() -> str:
    return f"parity: VTAG_PARITY_SEED={SEED}"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    terminalreporter.write_line(f"parity: VTAG_PARITY_SEED={SEED}")
    if _right:
        terminalreporter.write_line(f"parity: {len(_right)} of {len(ROWS)} text architectures equal Hugging Face")

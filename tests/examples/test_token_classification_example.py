"""The document's example, as a user starts it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from transformers import AutoTokenizer

from tests import scripts
from tests.parity.checkpoints import build

SCRIPT = Path(__file__).parent.parent.parent / "examples" / "token_classification_example.py"
TEXT = "The quick brown fox jumps over the lazy dog."


def example(model: str | Path, num_labels: int) -> subprocess.CompletedProcess[str]:
    return scripts.run([str(SCRIPT), "--model", str(model), "--num-labels", str(num_labels)])


@pytest.mark.parametrize("model_type", ["bert", "roberta", "qwen2"])
def test_a_row_per_token_with_text_offsets_label_and_probability(model_type: str, tmp_path: Path) -> None:
    folder = build(model_type, tmp_path / model_type, seed=1, num_labels=2)
    encoded = AutoTokenizer.from_pretrained(folder)(TEXT, return_offsets_mapping=True)
    done = example(folder, 2)
    assert done.returncode == 0, done.stderr
    for line, (start, end) in zip(done.stdout.splitlines(), encoded["offset_mapping"], strict=True):
        assert line.startswith(TEXT[start:end])
        assert f"{start:5}:{end:<5}" in line
        assert line.split()[-2] in ("LABEL_0", "LABEL_1")
        assert 0.5 <= float(line.split()[-1]) <= 1


def test_a_head_of_another_size_ends_with_one_line_that_names_both() -> None:
    done = example("demo", 2)
    assert done.returncode == 1
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    last = done.stderr.splitlines()[-1]  # before it, what torch and vLLM say while they are imported
    assert last == "error: demo: the head has 35 labels, not num_labels=2: leave num_labels out"

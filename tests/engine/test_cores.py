"""All cores work while texts are tagged, and the engine runs in a process of its own as well."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from transformers import AutoTokenizer, BertConfig, BertForTokenClassification

from tests.parity.checkpoints import build

# With a main guard, as a process of its own asks for.
SCRIPT = """
import os, sys, time
import psutil
from vtag import LLM

def processor_time():
    process = psutil.Process()
    return sum(sum(p.cpu_times()[:2]) for p in [process, *process.children(recursive=True)])

def main():
    llm = LLM(sys.argv[1], dtype="float32")
    texts = [f"{i} Anna Smith works for the council of Springfield" for i in range(int(sys.argv[2]))]
    llm.tag(texts[:8])
    cpu, wall = processor_time(), time.perf_counter()
    spans = llm.tag(texts, use_tqdm=False)
    wall = time.perf_counter() - wall
    print(type(llm.llm_engine.engine_core).__name__, len(spans), (processor_time() - cpu) / wall)

if __name__ == "__main__":
    main()
"""
pytestmark = pytest.mark.long


def run(folder: Path, model: Path, texts: int, own_process: str) -> list[str]:
    """What the script printed: the kind of the engine, how many texts were tagged, CPU time over wall time."""
    script = folder / "script.py"
    script.write_text(SCRIPT)
    # As a user starts it: nothing said of threads.
    environment = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    with TemporaryDirectory(prefix="v-") as place:  # vLLM leaves its sockets there
        done = subprocess.run(
            [sys.executable, script, model, str(texts)],
            capture_output=True,
            text=True,
            env=environment | {"VLLM_ENABLE_V1_MULTIPROCESSING": own_process, "TMPDIR": place},
            check=False,
        )
    # The exit code is not asked for: vLLM's client of a process of its own aborts now and then while Python exits,
    # after all is done (benchmarks/LOG.md).
    printed = done.stdout.split()
    assert len(printed) == 3, done.stderr
    return printed


@pytest.mark.parametrize("model_type", ["bert", "qwen2"])
def test_the_engine_runs_in_a_process_of_its_own_on_either_route(model_type: str, tmp_path: Path) -> None:
    engine, spans, _ = run(tmp_path, build(model_type, tmp_path / "model", seed=0), 20, own_process="1")
    assert engine == "SyncMPClient"
    assert spans == "20"


@pytest.mark.alone
@pytest.mark.parametrize(("own_process", "engine"), [("0", "InprocClient"), ("1", "SyncMPClient")])
def test_all_cores_are_busy_while_texts_are_tagged(own_process: str, engine: str, tmp_path: Path) -> None:
    """Far less than all of their time, as the machine may have other work; the best of three."""
    model = tmp_path / "model"
    tokenizer = AutoTokenizer.from_pretrained(build("bert", model, seed=0))
    config = BertConfig(vocab_size=len(tokenizer), hidden_size=512, intermediate_size=2048, num_attention_heads=8)
    BertForTokenClassification(config).save_pretrained(model)
    busy: list[float] = []
    while len(busy) < 3 and max(busy, default=0) < 0.65 * min(2, len(os.sched_getaffinity(0))):
        kind, _, share = run(tmp_path, model, 1000, own_process)
        assert kind == engine
        busy.append(float(share))
    assert max(busy) >= 0.65 * min(2, len(os.sched_getaffinity(0))), busy

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from transformers import AutoConfig, AutoTokenizer

from tests import scripts
from tests.checkpoints import good
from vtag.bench.measure import PRECISIONS, Report, Result
from vtag.bench.models import SHAPES, random_weights
from vtag.bench.processes import engine_process
from vtag.bench.texts import TEXTS, read
from vtag.cli.bench import shown
from vtag.errors import EngineError, InputError
from vtag.model.demo import demo_model

DATA = Path(__file__).parents[1] / "data" / "pii_synth_gold.jsonl"


def test_its_own_texts_are_those_of_the_gold_data() -> None:
    gold = [json.loads(line)["text"] for line in DATA.read_text("utf-8").splitlines()]
    assert read(TEXTS) == gold


def test_texts_are_read_as_vtag_run_reads_them(tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("id,text\n1,Call Ann.\n2,Call Bob.\n", "utf-8")
    assert read(tmp_path / "in.csv") == ["Call Ann.", "Call Bob."]
    (tmp_path / "empty.txt").write_text("", "utf-8")
    with pytest.raises(InputError, match="has no texts"):
        read(tmp_path / "empty.txt")


def test_random_weights_have_the_shape_and_the_labels(tmp_path: Path) -> None:
    config = AutoConfig.from_pretrained(random_weights("demo", "tiny", str(tmp_path)))
    assert {name: getattr(config, name) for name in SHAPES["tiny"]} == SHAPES["tiny"]
    assert config.id2label == AutoConfig.from_pretrained(demo_model()).id2label
    assert (tmp_path / "tokenizer.json").is_file()


def test_a_process_that_dies_is_one_line() -> None:
    with engine_process() as process, pytest.raises(EngineError, match="died: free memory"):
        process.start(os._exit, 9)


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What `vtag bench --json` says of a small model; its passes are short."""
    folder = tmp_path_factory.mktemp("bench")
    texts = [f"Call Ann on {i} at 555-0100." for i in range(60)]
    (folder / "in.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in texts), "utf-8")
    code = "import sys; from vtag.bench import measure; from vtag.cli.main import main; measure.LEAST = 0.2; "
    code += "sys.exit(main())"
    command = ["-c", code, "bench", str(good(folder / "model")), "--json", "--rounds", "2"]
    done = scripts.run([*command, "--texts", str(folder / "in.jsonl")])
    assert (done.returncode, done.stderr) == (0, "")
    tokenizer = AutoTokenizer.from_pretrained(folder / "model")
    found: dict[str, Any] = json.loads(done.stdout)
    found["expected"] = sum(map(len, tokenizer(texts).input_ids))
    return found


def test_it_runs_every_text_and_every_token(report: dict[str, Any]) -> None:
    assert report["texts"] == 60 * report["times"]
    assert report["tokens"] == report["expected"] * report["times"]


def test_it_measures_each_precision_in_rounds(report: dict[str, Any]) -> None:
    assert [result["precision"] for result in report["results"]] == list(PRECISIONS)
    for result in report["results"]:
        assert result["refused"] is None
        assert len(result["seconds"]) == len(result["share"]) == len(result["peak"]) == 2
        speed = result["texts_per_second"]
        assert 0 < speed["least"] <= speed["median"] <= speed["most"]
        assert all(0 < share < 1 for share in result["share"])
        assert result["memory"] > 100 << 20
        assert result["start"] > 1


def test_labels_are_compared_with_float32(report: dict[str, Any]) -> None:
    equal = {result["precision"]: result["equal"] for result in report["results"]}
    assert equal["float32"] == 1
    assert all(0.5 < share <= 1 for share in equal.values())


def test_the_table_has_a_line_for_each_precision_and_says_why_one_does_not_run() -> None:
    ran = Result("bfloat16", 8.0, 1 << 30, [0.5, 0.25, 1.0], [4e11] * 3, [0.75, 0.8, 0.7], 0.999)
    table = shown(Report("m", "tiny", "CPU", 2, 100, 1000, 1, [ran, Result("int8", refused="m: no int8")])).splitlines()
    assert table[0] == "tiny (random weights, tokenizer of m): 100 texts, 1,000 tokens; CPU, 2 cores"
    assert table[3].split() == "bfloat16 200 100-400 2,000 75% 400 99.900% 1,024 8.0 s".split()
    assert table[4] == "int8      m: no int8"

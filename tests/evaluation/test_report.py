"""The report's forms: JSON by its schema, text, and the YAML of model cards."""

from __future__ import annotations

import json
import runpy
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from huggingface_hub import ModelCard

from tests.evaluation.test_systems import FOUND, GOLD, WORDS
from vtag import Candidate, Comparison, Report, compare, evaluate
from vtag.evaluation.model_card import model_card

ROOT = Path(__file__).parents[2]
SCHEMA = ROOT / "docs" / "reference" / "evaluation.schema.json"


@pytest.fixture(scope="module")
def report() -> Report:
    return evaluate(None, GOLD, predictions=FOUND)


@pytest.fixture(scope="module")
def comparison() -> Comparison:
    return compare(Candidate(predictions=FOUND), Candidate(predictions=[[], [], []]), GOLD)


def test_the_schema_is_that_of_the_classes() -> None:
    script = runpy.run_path(str(ROOT / "scripts" / "evaluation_schema.py"))
    assert SCHEMA.read_text("utf-8") == script["written"](), "run scripts/evaluation_schema.py"


def test_the_json_is_valid_for_the_schema(report: Report, comparison: Comparison) -> None:
    validator = jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text("utf-8")))
    words = evaluate(None, WORDS, predictions=[[(0, 3, "PER")], []], input="words", show_text=True)
    plain = evaluate(None, [{"tokens": ["a"], "tags": ["DET"]}], predictions=[[(0, 1, "X", 0.5)]], input="words")
    for found in (report, comparison, words, plain):
        validator.validate(json.loads(json.dumps(found.to_dict())))
    broken: dict[str, Any] = json.loads(json.dumps(report.to_dict())) | {"schema": "vtag.evaluation/2"}
    with pytest.raises(jsonschema.ValidationError):
        validator.validate(broken)


def test_the_figures_of_a_small_case(report: Report) -> None:
    found = report.to_dict()
    assert found["overall"] == {"precision": 2 / 3, "recall": 2 / 3, "f1": 2 / 3, "right": 2, "found": 3, "gold": 3}
    assert found["data"]["records"] == 3
    assert found["data"]["spans"] == 3
    assert found["characters"]["leaked"] == 0
    assert found["characters"]["beside"] == 1
    assert found["semeval"]["partial"]["f1"] == pytest.approx(2.5 / 3)
    assert found["errors"]["labels"] == {"LOC": {"right": 1}, "PER": {"boundary": 1, "right": 1}}
    assert found["errors"]["sides"] == {"right": 1}
    assert found["confusion"] == [
        {"gold": "LOC", "found": "LOC", "count": 1},
        {"gold": "PER", "found": "PER", "count": 2},
    ]
    assert found["wanted"]["threshold"] is None
    assert found["frequent"] is None


def test_the_text_has_seqeval_s_table_and_the_notes(report: Report) -> None:
    shown = str(report)
    table = """\
              precision    recall  f1-score   support

         LOC       1.00      1.00      1.00         1
         PER       0.50      0.50      0.50         2

   micro avg       0.67      0.67      0.67         3
   macro avg       0.75      0.75      0.75         3
weighted avg       0.67      0.67      0.67         3"""
    assert table in shown
    assert "micro F1 0.6667" in shown
    assert "recall 0.95 is not reached: it is 0.6667 without a threshold" in shown
    assert "note: 3 records are few" in shown
    assert not any(line != line.rstrip() for line in shown.splitlines())


def test_a_comparison_says_both_their_difference_and_how_sure_it_is(comparison: Comparison) -> None:
    shown = str(comparison)
    assert "B - A: micro F1 -0.6667, [" in shown
    assert "answers differ in 2 records: 2 gold spans are right in A alone, 0 in B alone" in shown
    assert "B is no better than A in 100.00 % of 1,000 replicates" in shown or comparison.f1.not_better < 1


def test_frequent_texts_are_those_of_missed_and_spurious_spans_and_only_on_request() -> None:
    gold = [{"text": "Ann met Bob", "spans": [[0, 3, "PER"]]}] * 3 + [{"text": "Lee", "spans": [[0, 3, "PER"]]}]
    found = [[(8, 11, "PER")]] * 3 + [[]]
    report = evaluate(None, gold, predictions=found, show_text=True)
    assert report.frequent is not None
    assert (report.frequent.missed, report.frequent.spurious) == ([("Ann", 3), ("Lee", 1)], [("Bob", 3)])
    hidden = evaluate(None, gold, predictions=found)
    assert hidden.frequent is None
    assert not any(name in f"{hidden}{json.dumps(hidden.to_dict())}" for name in ("Ann", "Bob", "Lee"))


def test_a_label_cannot_control_the_terminal() -> None:
    shown = str(evaluate(None, [{"text": "Ann", "spans": [[0, 3, "\x1b[31mPER"]]}], predictions=[[]]))
    assert "\x1b" not in shown
    assert "␛[31mPER" in shown


def test_the_yaml_is_read_as_a_model_card(report: Report, tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text(model_card(report))
    card = ModelCard.load(tmp_path / "README.md")
    results = card.data.eval_results
    assert results is not None
    assert card.data.model_name == "predictions"
    assert {one.metric_type: one.metric_value for one in results} == {
        "precision": pytest.approx(2 / 3, abs=1e-6),
        "recall": pytest.approx(2 / 3, abs=1e-6),
        "f1": pytest.approx(2 / 3, abs=1e-6),
    }
    assert {one.task_type for one in results} == {"token-classification"}
    assert {one.dataset_args["records"] for one in results if one.dataset_args} == {3}

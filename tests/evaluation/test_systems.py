"""Predictions find their gold records, by text or by order; what is wrong with them is one line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.refusals import refused
from vtag import Candidate, Span, compare, evaluate

GOLD: list[dict[str, Any]] = [
    {"text": "Ann saw Bob.", "spans": [[0, 3, "PER"], [8, 11, "PER"]]},
    {"text": "Nothing.", "spans": []},
    {"text": "Paris", "spans": [[0, 5, "LOC"]]},
]
FOUND: list[list[dict[str, Any]]] = [
    [{"start": 0, "end": 3, "label": "PER", "score": 0.9}, {"start": 8, "end": 12, "label": "PER", "score": 0.4}],
    [],
    [{"start": 0, "end": 5, "label": "LOC", "score": 0.8}],
]
WORDS = [
    {"tokens": ["Ann", "Lee", "saw", "Bob"], "tags": ["B-PER", "I-PER", "O", "B-PER"]},
    {"tokens": ["Paris"], "tags": ["B-LOC"]},
]


def written(path: Path, rows: list[Any]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def counts(report: Any) -> tuple[int, int, int]:
    return report.overall.right, report.overall.found, report.overall.gold


def test_spans_in_memory_in_all_their_forms() -> None:
    objects = [[Span(row["start"], row["end"], row["label"], row["score"], "") for row in rows] for rows in FOUND]
    objects = [
        [Span(one.start, one.end, one.label, one.score, gold["text"][one.start : one.end]) for one in rows]
        for rows, gold in zip(objects, GOLD, strict=True)
    ]
    hf = [[{**row, "entity_group": row["label"], "word": "##x"} for row in rows] for rows in FOUND]
    presidio = [[{**row, "entity_type": row["label"]} for row in rows] for rows in FOUND]
    for rows in (*hf, *presidio):
        for row in rows:
            del row["label"]
    triples = [[(row["start"], row["end"], row["label"], row["score"]) for row in rows] for rows in FOUND]
    twice = [[*reversed(rows), *rows] for rows in triples]
    reports = [evaluate(None, GOLD, predictions=form) for form in (FOUND, objects, triples, hf, presidio, twice)]
    assert [counts(report) for report in reports] == [(2, 3, 3)] * 6
    assert all(report.to_dict() == reports[0].to_dict() for report in reports)
    assert reports[0].errors.kinds["boundary"] == 1
    assert reports[0].system.model == "predictions"


def test_a_file_finds_its_records_by_text_and_the_others_have_no_answer(tmp_path: Path) -> None:
    rows = [{"text": gold["text"], "spans": found} for gold, found in zip(GOLD, FOUND, strict=True)]
    whole = evaluate(None, GOLD, predictions=written(tmp_path / "a.jsonl", rows))
    assert (counts(whole), whole.data.unanswered) == ((2, 3, 3), 0)
    part = evaluate(None, GOLD, predictions=written(tmp_path / "b.jsonl", rows[2:]))
    assert (counts(part), part.data.unanswered) == ((1, 1, 3), 2)
    assert "2 records have no answer" in str(part)
    refused("no_prediction", "record 2 is of no record of the gold", lambda: predicted(tmp_path, [*reversed(rows[1:])]))
    refused("no_prediction", "record 4", lambda: predicted(tmp_path, [*rows, rows[0]]))


def predicted(folder: Path, rows: list[Any], gold: Any = GOLD, **how: Any) -> Any:
    return evaluate(None, gold, predictions=written(folder / "found.jsonl", rows), **how)


def test_without_texts_each_gold_record_needs_one_in_order(tmp_path: Path) -> None:
    rows = [{"spans": found} for found in FOUND]
    assert counts(predicted(tmp_path, rows)) == (2, 3, 3)
    refused("few_predictions", "has 2 records", lambda: predicted(tmp_path, rows[:2]))
    refused("few_predictions", "has 1 records", lambda: evaluate(None, GOLD, predictions=FOUND[:1]))
    refused("no_prediction", "record 4", lambda: evaluate(None, GOLD, predictions=[*FOUND, []]))


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ({"text": "Ann saw Bob."}, "record 1, spans: is missing"),
        ({"spans": [{"start": 0, "end": 99, "label": "PER"}]}, "record 1, spans: has a span outside"),
        ({"spans": [{"start": 0, "end": 3, "label": "PER", "text": "Bob"}]}, "record 1, spans: has a span whose text"),
        ({"spans": "Ann"}, "record 1, spans: is not a list"),
    ],
)
def test_predictions_that_do_not_fit_are_named_without_their_text(tmp_path: Path, row: Any, says: str) -> None:
    refused("bad_prediction", says, lambda: predicted(tmp_path, [row, *({"spans": []} for _ in GOLD[1:])]))


def test_spans_of_words_and_tags_are_compared_word_by_word(tmp_path: Path) -> None:
    by_words = [
        {**WORDS[0], "found": [{"start": 0, "end": 7, "label": "PER", "words": [0, 2], "score": 0.5}]},
        {**WORDS[1], "found": []},
    ]
    report = predicted(tmp_path, by_words, WORDS, predictions_field="found")
    assert (counts(report), report.data.input) == ((1, 1, 3), "words")
    tags = [{"tags": ["I-PER", "I-PER", "O", "U-PER"]}, {"tags": ["O"]}]
    report = predicted(tmp_path, tags, WORDS)
    assert (counts(report), report.data.input) == ((2, 2, 3), "words")
    assert report.thresholds is None
    assert report.calibration is None
    refused(
        "bad_prediction", "record 1, tags: has more or fewer", lambda: predicted(tmp_path, [{"tags": ["O"]}], WORDS)
    )
    outside = [{"spans": [{"start": 0, "end": 3, "label": "PER", "words": [0, 9]}]}]
    refused("bad_prediction", "record 1, words: has a span outside", lambda: predicted(tmp_path, outside, WORDS))


def test_tags_are_read_strictly_by_a_scheme_if_that_is_asked_for(tmp_path: Path) -> None:
    gold = [{"tokens": ["Ann", "Lee"], "tags": ["B-PER", "I-PER"]}]
    rows = [{"tags": ["I-PER", "I-PER"]}]
    assert predicted(tmp_path, rows, gold).overall.f1 == 1
    strictly = predicted(tmp_path, rows, gold, strict="IOB2")
    assert (counts(strictly), strictly.data.tags) == ((0, 0, 1), "IOB2")
    refused("no_such_strict", "use one of IOB1", lambda: predicted(tmp_path, rows, gold, strict="BIO"))
    refused(
        "bad_gold", "record 1, tags: has a tag with a prefix", lambda: predicted(tmp_path, rows, gold, strict="IOE2")
    )
    rows = [{"tags": ["S-PER", "I-PER"]}]
    refused(
        "bad_prediction",
        "record 1, tags: has a tag with a prefix",
        lambda: predicted(tmp_path, rows, gold, strict="IOB2"),
    )


def test_a_conll_file_of_predictions_beside_a_conll_file_of_gold(tmp_path: Path) -> None:
    (tmp_path / "gold.conll").write_text("Ann B-PER\nLee I-PER\n\nParis B-LOC\n")
    (tmp_path / "found.conll").write_text("Ann B-PER\nLee I-PER\n\nParis B-ORG\n")
    report = evaluate(None, tmp_path / "gold.conll", predictions=tmp_path / "found.conll")
    assert (counts(report), report.errors.kinds["type"]) == ((1, 2, 2), 1)


def test_one_tag_a_word_has_an_accuracy() -> None:
    gold = [{"tokens": ["The", "cat", "sat"], "tags": ["DET", "NOUN", "VERB"]}]
    report = evaluate(None, gold, predictions=[[(0, 3, "DET"), (4, 7, "NOUN"), (8, 11, "NOUN")]], input="words")
    assert report.accuracy is not None
    assert (report.accuracy.right, report.accuracy.words) == (2, 3)
    assert report.data.tags == "plain"


def test_a_label_map_names_gold_and_found_alike_and_leaves_labels_out() -> None:
    gold = [{"text": "Ann Paris x", "spans": [[0, 3, "person"], [4, 9, "place"], [10, 11, "odd"]]}]
    found = [[(0, 3, "PER"), (4, 9, "GPE"), (4, 9, "LOC"), (10, 11, "ODD")]]
    names = {"person": "PER", "place": "LOC", "GPE": "LOC", "odd": "", "ODD": ""}
    report = evaluate(None, gold, predictions=found, label_map=names)
    assert counts(report) == (2, 2, 2)
    assert list(report.labels) == ["LOC", "PER"]
    for scores in ((0.25, 0.75), (0.75, 0.25)):  # of equal spans under one name, the highest counts
        twice = [[(4, 9, "GPE", scores[0]), (4, 9, "LOC", scores[1])]]
        report = evaluate(None, gold, predictions=twice, label_map=names)
        assert report.calibration is not None
        assert [one.score for one in report.calibration.bins] == [0.75]


def test_gold_that_is_evaluated_against_itself_is_noticed(tmp_path: Path) -> None:
    report = evaluate(None, written(tmp_path / "gold.jsonl", GOLD), predictions=tmp_path / "gold.jsonl")
    assert report.overall.f1 == 1
    assert any("--predictions-field" in note for note in report.notes)
    perfect = [[(*span, 0.5) for span in row["spans"]] for row in GOLD]
    for found in (FOUND, perfect):
        assert not any("--predictions-field" in note for note in evaluate(None, GOLD, predictions=found).notes)


def test_two_predictions_are_compared_record_by_record(tmp_path: Path) -> None:
    a, b = Candidate(predictions=FOUND), Candidate(predictions=[gold["spans"] for gold in GOLD])
    found = compare(a, b, GOLD, errors=tmp_path / "errors.jsonl")
    assert (found.a.overall.right, found.b.overall.right) == (2, 3)
    assert (found.only_a, found.only_b, found.records) == (0, 1, 1)
    assert found.f1.difference == pytest.approx(1 - 2 / 3)
    rows = [json.loads(line) for line in (tmp_path / "errors.jsonl").read_text().splitlines()]
    assert rows == [
        {"file": "gold", "record": 1, "right": "b", "gold": {"start": 8, "end": 11, "label": "PER"}},
        {
            "file": "gold",
            "record": 1,
            "wrong": "a",
            "found": {"start": 8, "end": 12, "label": "PER", "score": 0.4},
        },
    ]


def test_errors_have_texts_only_if_that_is_asked_for(tmp_path: Path) -> None:
    for show_text in (False, True):
        evaluate(None, GOLD, predictions=FOUND, errors=tmp_path / "errors.jsonl", show_text=show_text)
        (row,) = map(json.loads, (tmp_path / "errors.jsonl").read_text().splitlines())
        assert (row["record"], row["kind"]) == (1, "boundary")
        assert [row[side].get("text") for side in ("gold", "found")] == (["Bob", "Bob."] if show_text else [None, None])


def test_candidates_that_cannot_be_meant() -> None:
    refused("systems", "name one model", lambda: Candidate())
    refused("systems", "name one model", lambda: Candidate("demo", predictions=FOUND))
    refused("bad_argument", "input=", lambda: evaluate(None, GOLD, predictions=FOUND, input="tags"))
    refused("bad_argument", "seed=", lambda: evaluate(None, GOLD, predictions=FOUND, seed=-1))
    wrong: dict[str, Any] = {"PER": 1}
    refused("bad_label_map", "label_map", lambda: evaluate(None, GOLD, predictions=FOUND, label_map=wrong))
    refused("bad_recall", "recall", lambda: evaluate(None, GOLD, predictions=FOUND, recall=2))
    refused("eval_failed", "--errors", lambda: evaluate(None, GOLD, predictions=FOUND, errors="no/such/folder"))
    refused("eval_failed", "--html", lambda: evaluate(None, GOLD, predictions=FOUND, html="no/such/folder"))
    refused("no_engine", "dtype: ", lambda: evaluate(None, GOLD, predictions=FOUND, dtype="float32"))

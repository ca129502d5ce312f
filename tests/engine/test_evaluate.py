"""Evaluating a model: the spans are those of `tag` and of files, and first sub-words those of Hugging Face."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.redact.given import GOLD
from tests.refusals import refused
from vtag import LLM, Candidate, compare, evaluate, tag_files
from vtag.evaluation.exact import exact
from vtag.evaluation.tags import entities
from vtag.files.records import has_surrogate

DATA = Path(__file__).parents[1] / "data" / "pii_synth_gold.jsonl"
HOSTILE = Path(__file__).parents[1] / "hostile" / "hostile.jsonl"
WORDS: list[dict[str, Any]] = [
    {
        "tokens": ["Ms", ".", "Marisol", "Okonkwo-Brandenburg", "of", "Dunmere", "wrote", "to", "ann@smithfield.org"],
        "tags": ["O", "O", "B-GIVEN_NAME", "B-SURNAME", "O", "B-CITY", "O", "O", "B-EMAIL"],
    },
    {"tokens": ["Nothing", "here", "."], "tags": ["O", "O", "O"]},
    {"tokens": ["Call", "555-0100", "in", "Port", "Matthew"], "tags": ["O", "B-PHONE", "O", "B-CITY", "I-CITY"]},
]


def test_figures_are_those_of_the_spans_of_tag_and_of_a_file_run(llm: LLM, tmp_path: Path) -> None:
    report = evaluate(llm, DATA)
    rows = [json.loads(line) for line in DATA.read_text().splitlines()]
    gold = [[(start, end, label) for start, end, label in row["spans"]] for row in rows]
    found = [[span.to_tuple() for span in spans] for spans in llm.tag([row["text"] for row in rows], use_tqdm=False)]
    wanted = exact(gold, found)
    assert (report.overall.right, report.overall.found, report.overall.gold) == (
        wanted.right,
        wanted.found,
        wanted.gold,
    )
    assert wanted.f1 > 0.8
    assert report.data.sha256 is not None
    assert report.system.revision is not None
    tag_files(llm, DATA, tmp_path / "found.jsonl", spans_field="found")
    again = evaluate(None, DATA, predictions=tmp_path / "found.jsonl", predictions_field="found")
    for name in (
        "overall",
        "interval",
        "labels",
        "semeval",
        "characters",
        "errors",
        "confusion",
        "calibration",
        "wanted",
    ):
        assert getattr(again, name) == getattr(report, name)


def test_words_are_tagged_as_words_and_texts_as_texts(llm: LLM) -> None:
    report = evaluate(llm, WORDS)
    found = llm.tag(words=[row["tokens"] for row in WORDS], use_tqdm=False)
    assert report.data.input == "words"
    assert report.overall.found == sum(map(len, found))
    texts = [{**row, "text": " ".join(row["tokens"]).replace(" .", ".")} for row in WORDS]
    report = evaluate(llm, texts, input="text")
    found = llm.tag([row["text"] for row in texts], use_tqdm=False)
    assert report.data.input == "text"
    assert report.overall.found == sum(map(len, found))


def test_a_conll_file_is_tagged_by_a_file_run_and_its_output_is_evaluated(llm: LLM, tmp_path: Path) -> None:
    sentences = ["".join(f"{word} {tag}\n" for word, tag in zip(*row.values(), strict=True)) for row in WORDS]
    (tmp_path / "gold.conll").write_text("\n".join(sentences))
    tag_files(llm, tmp_path / "gold.conll", tmp_path / "found.jsonl", words_field="tokens")
    found = evaluate(None, tmp_path / "gold.conll", predictions=tmp_path / "found.jsonl")
    assert found.data.input == "words"
    assert found.overall == evaluate(llm, WORDS).overall == evaluate(llm, tmp_path / "gold.conll").overall


def test_hostile_texts_can_be_gold(llm: LLM) -> None:
    rows = [json.loads(line) for line in HOSTILE.read_text().splitlines()]
    texts = [row["text"] for row in rows if not has_surrogate(row["text"])]
    gold = [{"text": text, "spans": [[0, len(text), "CITY"]] if text else []} for text in texts]
    report = evaluate(llm, gold)
    found = llm.tag(texts, use_tqdm=False)
    assert (report.data.records, report.overall.found) == (len(texts), sum(map(len, found)))
    assert report.characters.gold == sum(map(len, texts))
    assert len(texts) > 50


def test_first_subwords_have_the_labels_of_hugging_face_s_logits(llm: LLM) -> None:
    """By the logits of `encode`, which tests/engine/test_document.py compares with Hugging Face's."""
    report = evaluate(llm, WORDS, first_subword=True)
    tokenizer = llm.get_tokenizer()
    wanted = [0, 0, 0]
    for row in WORDS:
        encoded = tokenizer(row["tokens"], is_split_into_words=True)
        (output,) = llm.encode([{"prompt_token_ids": encoded["input_ids"]}], use_tqdm=False)
        ids = encoded.word_ids()
        labels = [llm.id2label[int(np.argmax(output.data[ids.index(word)]))] for word in range(len(row["tokens"]))]
        gold, found = set(entities(row["tags"])), set(entities(labels))
        wanted = [count + more for count, more in zip(wanted, (len(gold & found), len(found), len(gold)), strict=True)]
    assert [report.overall.right, report.overall.found, report.overall.gold] == wanted
    assert report.system.options["decoding"] == "first sub-word"
    strictly = evaluate(llm, WORDS, first_subword=True, strict="IOB2")
    assert strictly.overall.found <= report.overall.found
    ends = [{"tokens": ["Ann"], "tags": ["E-GIVEN_NAME"]}]
    refused("strict_model", "prefixes (B)", lambda: evaluate(llm, ends, first_subword=True, strict="IOE2"))


def test_a_text_that_cannot_be_tagged_counts_as_missed(llm: LLM, monkeypatch: pytest.MonkeyPatch) -> None:
    from vtag.errors import input_error

    finish = llm.tagger.finish

    def failing(batch: Any, logits: Any) -> Any:
        answers = finish(batch, logits)
        return [input_error("tokenizer_fails", index=0), *answers[1:]]

    monkeypatch.setattr(llm.tagger, "finish", failing)
    report = evaluate(llm, WORDS)
    assert report.data.unanswered == 1
    assert report.overall.gold == 6


def test_two_candidates_of_one_engine_are_compared(llm: LLM, tmp_path: Path) -> None:
    gold = [{"text": row["text"], "spans": row["spans"]} for row in GOLD[:60]]
    found = compare(Candidate(llm), Candidate(llm, threshold=0.9), gold, errors=tmp_path / "errors.jsonl")
    assert found.a.overall == evaluate(llm, gold).overall
    assert found.b.overall == evaluate(llm, gold, threshold=0.9).overall
    assert found.b.overall.found < found.a.overall.found
    rows = [json.loads(line) for line in (tmp_path / "errors.jsonl").read_text().splitlines()]
    assert sum(row.get("right") == "a" for row in rows) == found.only_a
    assert sum(row.get("right") == "b" for row in rows) == found.only_b == 0


def test_labels_that_do_not_fit_are_refused_before_anything_is_tagged(llm: LLM) -> None:
    gold = [{"text": "Ann", "spans": [[0, 3, "person"]]}]
    refused("no_common_label", "name both alike with --label-map", lambda: evaluate(llm, gold))
    names = {"GIVEN_NAME": "person", "SURNAME": "person"}
    report = evaluate(llm, gold, label_map=names)
    assert report.system.only_gold == []
    assert "SURNAME" not in report.system.only_system
    refused("no_such_gold_label", "'PERSON'", lambda: evaluate(llm, gold, label_map={**names, "PERSON": "person"}))
    refused("no_such_label", "threshold", lambda: evaluate(llm, gold, label_map=names, threshold={"PERSON": 0.5}))
    refused("first_subword_text", "tokens and tags", lambda: evaluate(llm, gold, label_map=names, first_subword=True))
    refused("engine_is_made", "dtype", lambda: evaluate(llm, gold, dtype="float32"))

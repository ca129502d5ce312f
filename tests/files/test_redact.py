"""`redact_files` and `restore_files`: the texts alone change, and the way back gives them again."""

from __future__ import annotations

import json
import os
import stat
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.files.test_run import CHUNK, TEXTS, read, stop_after, write
from tests.redact.given import KEY, OTHER_KEY
from tests.refusals import refused
from vtag import LLM, redact_files, restore_files
from vtag.files import chunks, formats
from vtag.files.jsonl import with_value

POLICY = {"default": "token", "labels": {"GIVEN_NAME": "number", "SURNAME": "fake", "CITY": "keep"}}


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many chunks out of few records, and a key."""
    monkeypatch.setattr(chunks, "RECORDS", CHUNK)
    monkeypatch.setenv("VTAG_REDACT_KEY", KEY)


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    return write(tmp_path / "in.jsonl", [{"id": i, "text": text} for i, text in enumerate(TEXTS)])


def test_its_texts_are_those_of_redact_and_other_fields_stay(llm: LLM, corpus: Path, tmp_path: Path) -> None:
    state = redact_files(llm, corpus, tmp_path / "out.jsonl", policy=POLICY, mapping=tmp_path / "m.jsonl")
    rows, mapped = read(tmp_path / "out.jsonl"), read(tmp_path / "m.jsonl")
    for first in range(0, len(TEXTS), CHUNK):
        for at, made in enumerate(llm.redact(TEXTS[first : first + CHUNK], policy=POLICY, use_tqdm=False), first):
            assert rows[at] == {"id": at, "text": made.text, "replacements": [r.to_dict() for r in made.replacements]}
            assert (mapped[at]["record"], mapped[at]["mapping"]) == (at + 1, made.mapping)
    assert (state.records, state.failures) == (len(TEXTS), 0)
    assert sum(state.labels.values()) == sum(len(row["replacements"]) for row in rows) > 200
    assert stat.S_IMODE((tmp_path / "m.jsonl").stat().st_mode) == 0o600


@pytest.mark.parametrize("name", ["out.jsonl", "out.jsonl.gz", "out.csv", "out.tsv", "out.parquet"])
def test_stopped_after_every_chunk_it_gives_the_same_bytes_and_the_way_back_the_texts(
    llm: LLM, corpus: Path, tmp_path: Path, name: str
) -> None:
    (tmp_path / "whole").mkdir()
    redact_files(llm, corpus, tmp_path / "whole" / name, policy=POLICY, mapping=tmp_path / "whole" / "m.jsonl")
    lives = 0
    while True:
        try:
            out, mapping = tmp_path / name, tmp_path / "m.jsonl"
            redact_files(llm, corpus, out, policy=POLICY, mapping=mapping, watch=stop_after(1 + lives % 2))
            break
        except KeyboardInterrupt:
            lives += 1
    assert lives > 3
    for made in (name, "m.jsonl"):
        assert (tmp_path / made).read_bytes() == (tmp_path / "whole" / made).read_bytes()
    for stops in (1, 3):
        with pytest.raises(KeyboardInterrupt):
            restore_files(out, tmp_path / "back.jsonl", policy=POLICY, mapping=mapping, watch=stop_after(stops))
    restore_files(out, tmp_path / "back.jsonl", policy=POLICY, mapping=mapping)
    back = read(tmp_path / "back.jsonl")
    assert [(int(row["id"]), row["text"]) for row in back] == [*enumerate(TEXTS)]
    assert {tuple(row) for row in back} == {("id", "text")}


def test_a_json_line_keeps_all_but_its_text_as_it_was_written(llm: LLM, tmp_path: Path) -> None:
    lines = [
        '{"a": 1.50, "text": "I am Ann Smith.", "b": "\\u00e9\\ud800", "c": [1e5, {}]}',
        '{"text":"I am Ann Smith.","text" : "I am Bob."}',
        ' { "data" : {"x": 1.0, "text": "I am Ann Smith."} , "text": null } ',
        '{"data": {"text": "I am Ann Smith."}, "data": {"text": "I am Bob."}}',
        '{"data": 5, "data": {"text": "x", "text": "I am Bob."}, "text": "I am Bob."}',
    ]
    (tmp_path / "in.jsonl").write_text("\n".join(lines[:2]))
    redact_files(llm, tmp_path / "in.jsonl", tmp_path / "out.jsonl", replacements_field="r", policy={})
    made = (tmp_path / "out.jsonl").read_text().splitlines()
    start = '{"a": 1.50, "text": "I am [GIVEN_NAME] [SURNAME].", "b": "\\u00e9\\ud800", "c": [1e5, {}], "r": ['
    assert made[0].startswith(start)
    assert made[1].startswith('{"text" : "I am [GIVEN_NAME].", "r": [')
    (tmp_path / "in.jsonl").write_text("\n".join(lines[2:]))
    redact_files(llm, tmp_path / "in.jsonl", tmp_path / "nested.jsonl", text_field="data.text", policy={})
    made = (tmp_path / "nested.jsonl").read_text().splitlines()
    assert made[0].startswith('{ "data" : {"x": 1.0, "text": "I am [GIVEN_NAME] [SURNAME]."} , "text": null, "repl')
    assert made[1].startswith('{"data": {"text": "I am [GIVEN_NAME]."}, "repl')
    assert made[2].startswith('{"data": {"text": "I am [GIVEN_NAME]."}, "text": "I am Bob.", "repl')
    assert with_value('{"a":{"b":1,"b":2},"a":{"b":3}}', ["a", "b"], "é\n") == '{"a":{"b":"é\\n"}}'


@pytest.mark.parametrize("name", ["out.jsonl", "out.csv", "out.tsv", "out.parquet"])
@pytest.mark.parametrize("source", ["in.json", "in.parquet"])
def test_a_text_within_a_record_goes_from_any_format_into_any(llm: LLM, tmp_path: Path, source: str, name: str) -> None:
    rows = [{"id": at, "data": {"deep": {"text": text, "x": at}, "y": None}} for at, text in enumerate(TEXTS[:40])]
    (tmp_path / "in.json").write_text(json.dumps(rows))
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "in.parquet")
    redact_files(llm, tmp_path / source, tmp_path / name, text_field="data.deep.text", policy={})
    with (tmp_path / name).open("rb") as file:
        made = [record.fields for record in formats.reader(name.partition(".")[2])(file, 0)]
    wanted = [text for first in range(0, 40, CHUNK) for text in redacted(llm, TEXTS[first : min(first + CHUNK, 40)])]
    data = [json.loads(row["data"]) if isinstance(row["data"], str) else row["data"] for row in made]
    assert data == [{"deep": {"text": text, "x": at}, "y": None} for at, text in enumerate(wanted)]
    assert [int(row["id"]) for row in made] == [*range(40)]


def redacted(llm: LLM, texts: list[str]) -> list[str]:
    return [each.text for each in llm.redact(texts, use_tqdm=False)]


def test_columns_of_parquet_keep_their_types(llm: LLM, tmp_path: Path) -> None:
    texts = ["I am Ann Smith.", None, "I am Bob."]
    nested = pa.array([{"x": 1, "text": text} for text in texts], pa.struct([("x", pa.int8()), ("text", pa.string())]))
    columns = {
        "large": pa.array(texts, pa.large_string()),
        "coded": pa.array(texts, pa.string()).dictionary_encode(),
        "data": nested,
    }
    table = pa.table({**columns, "when": pa.array([1, 2, 3], pa.timestamp("ns"))})
    pq.write_table(table, tmp_path / "in.parquet")
    for field in ("large", "coded", "data.text"):
        out = tmp_path / f"{field}.parquet"
        state = redact_files(llm, tmp_path / "in.parquet", out, text_field=field, policy={})
        assert (state.records, state.failures) == (3, 1)
        made = pq.read_table(out)
        assert made.schema.types[:-1] == table.schema.types
        values = [row["text"] for row in made["data"].to_pylist()] if "." in field else made[field].to_pylist()
        assert values == ["I am [GIVEN_NAME] [SURNAME].", "I am [GIVEN_NAME]."]
        others = [name for name in table.column_names if name != field.partition(".")[0]]
        assert made.select(others).equals(table.select(others).take([0, 2]))


def test_what_cannot_be_redacted_is_not_written_and_named(llm: LLM, tmp_path: Path) -> None:
    spans = [{"start": 5, "end": 8, "label": "GIVEN_NAME", "score": 0.9, "text": "Ann"}]
    rows: list[dict[str, Any]] = [
        {"text": "I am Ann.", "who": "x"},
        {"text": "I am Ann."},
        {"text": 5, "who": "x"},
        {"text": "I am Ann.", "who": None},
        {"text": "I am Ann.", "who": 7, "spans": spans},
        {"text": "I am Ann.", "who": {"id": 7}, "spans": []},
    ]
    write(tmp_path / "in.jsonl", rows)
    policy = {"default": "shift", "context": "who"}
    state = redact_files(llm, tmp_path / "in.jsonl", tmp_path / "out.jsonl", policy=policy)
    assert (state.records, state.failures) == (6, 4)
    errors = {error["record"]: error["reason"] for error in read(tmp_path / "out.jsonl.errors.jsonl")}
    missing = "the field of the policy's context is missing"
    assert errors[2] == errors[4] == missing
    assert errors[3] == "the text is not a string"
    assert errors[5].startswith("has spans with their texts")
    more: dict[str, Any] = {"policy": policy, "replacements_field": "spans", "overwrite_field": True}
    assert redact_files(llm, tmp_path / "in.jsonl", tmp_path / "over.jsonl", **more).failures == 3
    assert "Ann" not in (tmp_path / "over.jsonl").read_text()
    assert "Ann" not in (tmp_path / "out.jsonl").read_text()


def test_another_policy_or_key_is_refused_by_name(
    llm: LLM, corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out.jsonl"
    with pytest.raises(KeyboardInterrupt):
        redact_files(llm, corpus, out, policy=POLICY, watch=stop_after(2))
    refused("another_run", "another policy", lambda: redact_files(llm, corpus, out, policy={}))
    refused("another_run", "another threshold", lambda: redact_files(llm, corpus, out, policy={"threshold": 0.5}))
    monkeypatch.setenv("VTAG_REDACT_KEY", OTHER_KEY)
    refused("another_run", "another redaction key", lambda: redact_files(llm, corpus, out, policy=POLICY))
    monkeypatch.setenv("VTAG_REDACT_KEY", "short")
    refused("key_short", "32 bytes", lambda: redact_files(llm, corpus, out, policy=POLICY))


def test_a_mapping_is_neither_overwritten_nor_mixed_up(llm: LLM, corpus: Path, tmp_path: Path) -> None:
    out, mapping = tmp_path / "out.jsonl", tmp_path / "m.jsonl"
    refused("mapping_is_output", "m.jsonl", lambda: redact_files(llm, corpus, mapping, mapping=mapping))
    mapping.write_text("mine")
    refused("output_exists", "m.jsonl", lambda: redact_files(llm, corpus, out, mapping=mapping))
    refused("output_exists", "m.jsonl", lambda: redact_files(llm, corpus, "-", mapping=mapping))
    assert mapping.read_text() == "mine"
    redact_files(llm, corpus, out, policy=POLICY, mapping=mapping, restart=True)
    assert stat.S_IMODE(mapping.stat().st_mode) == 0o600
    lines = mapping.read_text().splitlines(keepends=True)
    (tmp_path / "less.jsonl").write_text("".join(lines[:-1]))
    (tmp_path / "changed.jsonl").write_text("".join(lines).replace(lines[1][12:30], lines[1][12:30][::-1], 1))
    write(tmp_path / "fewer.jsonl", read(out)[:-1])
    back = tmp_path / "back.jsonl"

    def restore(source: Path, name: str) -> None:
        restore_files(source, back, policy=POLICY, mapping=tmp_path / name, restart=True)

    refused("mapping_length", f"less.jsonl: has {len(lines) - 1} lines", lambda: restore(out, "less.jsonl"))
    refused("mapping_length", f"m.jsonl: has {len(lines)} lines", lambda: restore(tmp_path / "fewer.jsonl", "m.jsonl"))
    refused("mapping_changed", "changed.jsonl: line ", lambda: restore(out, "changed.jsonl"))
    refused("mapping_unreadable", "none.jsonl", lambda: restore(out, "none.jsonl"))


@pytest.mark.parametrize("chunks_done", [0, 2])
def test_a_run_goes_on_with_its_own_mapping_alone(llm: LLM, corpus: Path, tmp_path: Path, chunks_done: int) -> None:
    """Numbers and fakes whose mapping is lost lead nowhere; and another run's mapping must not be lost."""
    out, mapping, other = (tmp_path / name for name in ("out.jsonl", "m.jsonl", "other.jsonl"))
    with pytest.raises(KeyboardInterrupt):
        redact_files(llm, corpus, out, policy=POLICY, mapping=mapping, watch=stop_after(chunks_done))
    other.write_text("of another run")
    for wrong in (None, other, tmp_path / "none.jsonl"):
        run = partial(redact_files, llm, corpus, out, policy=POLICY, mapping=wrong)
        refused("another_run", "another mapping", run)
    assert other.read_text() == "of another run"
    redact_files(llm, corpus, out, policy=POLICY, mapping=mapping)
    restore_files(out, tmp_path / "back.jsonl", policy=POLICY, mapping=mapping)
    assert [row["text"] for row in read(tmp_path / "back.jsonl")] == TEXTS


def test_what_a_run_reads_is_never_written(llm: LLM, corpus: Path, tmp_path: Path) -> None:
    (tmp_path / "key").write_text(KEY)
    (tmp_path / "policy.json").write_text(json.dumps({"default": "token", "key": {"file": str(tmp_path / "key")}}))
    out, mapping, policy = tmp_path / "out.jsonl", tmp_path / "m.jsonl", tmp_path / "policy.json"
    redact_files(llm, corpus, out, policy=POLICY, mapping=mapping)
    redact = partial(redact_files, llm, corpus, policy=policy, restart=True)
    back = partial(restore_files, out, restart=True)
    for run in (
        partial(redact, tmp_path / "o.jsonl", mapping=tmp_path / "key"),
        partial(redact, tmp_path / "o.jsonl", mapping=policy),
        partial(redact, tmp_path / "o.jsonl", mapping=corpus),
        partial(redact, "-", mapping=corpus),
        partial(redact, "-", mapping=tmp_path / "key"),
        partial(back, mapping, policy=POLICY, mapping=mapping),
    ):
        before = {path: path.read_bytes() for path in tmp_path.iterdir()}
        refused("input_is_output", "is both input and output", run)
        assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_wrong_key_stops_the_way_back_at_the_first_record(
    llm: LLM, corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    redact_files(llm, corpus, tmp_path / "out.jsonl", policy={"default": "token"})
    monkeypatch.setenv("VTAG_REDACT_KEY", OTHER_KEY)
    back = tmp_path / "back.jsonl"
    refused("record_not_restored", "out.jsonl: record 1: ", lambda: restore_files(tmp_path / "out.jsonl", back))
    assert not back.exists()


def test_no_file_beside_the_mapping_has_a_value_or_the_key(llm: LLM, tmp_path: Path) -> None:
    names = ["Marisol Okonkwo", "Amara Lindqvist", "Ingrid Vasquez"]
    write(tmp_path / "in.jsonl", [{"text": f"My name is {name}."} for name in names * 10] + [{"text": names}])
    policy = {"default": "token", "labels": {"GIVEN_NAME": "hash", "SURNAME": "fake"}, "deny": ["Okonkwo"]}
    redact_files(llm, tmp_path / "in.jsonl", tmp_path / "out.jsonl", policy=policy, mapping=tmp_path / "secret")
    files = sorted(path for path in tmp_path.iterdir() if path.name not in ("in.jsonl", "secret"))
    assert [path.name for path in files] == ["out.jsonl", "out.jsonl.errors.jsonl", "out.jsonl.journal"]
    written = "".join(path.read_text("utf-8") for path in files)
    for secret in (*" ".join(names).split(), KEY, os.environ["VTAG_REDACT_KEY"]):
        assert secret not in written
    assert "Vasquez" in (tmp_path / "secret").read_text("utf-8")


def test_an_input_without_records_has_an_empty_mapping(llm: LLM, tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_text("")
    redact_files(llm, tmp_path / "in.jsonl", tmp_path / "out.csv", policy=POLICY, mapping=tmp_path / "m.jsonl")
    assert (tmp_path / "out.csv").read_text() == "replacements\n"
    assert (tmp_path / "m.jsonl").read_text() == ""
    assert json.loads((tmp_path / "out.csv.journal").read_text().splitlines()[-1])["done"]


def test_the_text_cannot_be_in_the_field_of_the_replacements(tmp_path: Path) -> None:
    refused(
        "text_field_taken",
        "'text'",
        lambda: redact_files("demo", tmp_path / "in.jsonl", tmp_path / "out.jsonl", replacements_field="text"),
    )

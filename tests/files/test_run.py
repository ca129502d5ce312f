"""`tag_files`: every record answered or in the errors file, once, however often the run is stopped."""

from __future__ import annotations

import csv
import gzip
import json
import os
import re
import resource
import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.parity.checkpoints import build
from vtag import LLM, tag_files
from vtag.errors import InputError, VtagError
from vtag.files import chunks, formats, inputs
from vtag.files.journal import State
from vtag.files.records import REASONS, Record
from vtag.types import Encoding

HOSTILE = Path(__file__).parents[1] / "hostile"
GOLD = Path(__file__).parents[1] / "data" / "pii_synth_gold.jsonl"
TEXTS = [json.loads(line)["text"] for line in GOLD.read_text("utf-8").splitlines()][:96]
CHUNK = 16


@pytest.fixture(scope="module")
def llm() -> Iterator[LLM]:
    with LLM("demo") as made:
        yield made


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many chunks out of few records."""
    monkeypatch.setattr(chunks, "RECORDS", CHUNK)


def write(path: Path, rows: list[Any]) -> Path:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "utf-8")
    return path


def read(path: Path) -> list[Any]:
    return [json.loads(line) for line in path.read_bytes().splitlines()]


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    return write(tmp_path / "in.jsonl", [{"id": i, "text": text} for i, text in enumerate(TEXTS)])


def stop_after(count: int) -> Callable[[State, float | None], None]:
    """Ends the run, as Ctrl-C does, when so many chunks are safe."""
    calls = 0

    def watch(state: State, share: float | None) -> None:
        nonlocal calls
        calls += 1
        if calls > count:
            raise KeyboardInterrupt

    return watch


def test_its_spans_are_those_of_tag_on_the_same_chunk(llm: LLM, corpus: Path, tmp_path: Path) -> None:
    state = tag_files(llm, corpus, tmp_path / "out.jsonl")
    assert (state.records, state.failures, state.done) == (len(TEXTS), 0, True)
    rows = read(tmp_path / "out.jsonl")
    for first in range(0, len(TEXTS), CHUNK):
        found = llm.tag(TEXTS[first : first + CHUNK], use_tqdm=False)
        assert [row["spans"] for row in rows[first : first + CHUNK]] == [
            [s.to_dict() for s in spans] for spans in found
        ]
    assert sum(state.labels.values()) == sum(len(row["spans"]) for row in rows) > 200


@pytest.mark.parametrize("name", ["out.jsonl", "out.csv", "out.parquet"])
def test_it_writes_how_each_text_was_read_also_after_a_stop(llm: LLM, tmp_path: Path, name: str) -> None:
    texts = [*TEXTS[:30], "", "\n".join(TEXTS), *TEXTS[30:40]]
    source, out = write(tmp_path / "in.jsonl", [{"text": text} for text in texts]), tmp_path / name
    with pytest.raises(KeyboardInterrupt):
        tag_files(llm, source, out, coverage_field="read", watch=stop_after(1))
    assert "another coverage_field:" in refused("another_run", llm, source, out)
    assert tag_files(llm, source, out, coverage_field="read").records == len(texts)
    parts = [texts[first : first + CHUNK] for first in range(0, len(texts), CHUNK)]
    wanted = [one.to_dict() for chunk in llm.answers(parts) for one in chunk.coverage]
    with out.open("rb") as file:
        rows = [record for record in formats.reader(name.partition(".")[2])(file, 0) if isinstance(record, Record)]
    found = [row.fields["read"] for row in rows]
    assert [json.loads(value) if isinstance(value, str) else value for value in found] == wanted
    assert [list(row.fields)[-2:] for row in rows] == [["spans", "read"]] * len(texts)
    assert max(one["windows"] for one in wanted) > 10


def test_a_field_for_both_or_one_that_is_there_is_refused(tmp_path: Path) -> None:
    source, out = write(tmp_path / "in.jsonl", [{"text": "a", "read": 1}]), tmp_path / "out.jsonl"
    refused("fields_equal", "demo", source, out, spans_field="read", coverage_field="read")
    assert "'read'" in refused("field_taken", "demo", source, out, coverage_field="read")


@pytest.mark.parametrize("name", ["out.jsonl", "out.jsonl.gz", "out.csv", "out.parquet"])
def test_stopped_after_every_chunk_it_gives_the_same_bytes(llm: LLM, corpus: Path, tmp_path: Path, name: str) -> None:
    (tmp_path / "whole").mkdir()
    whole = tag_files(llm, corpus, tmp_path / "whole" / name)
    lives = 0
    while True:
        try:
            state = tag_files(llm, corpus, tmp_path / name, watch=stop_after(1 + lives % 2))
            break
        except KeyboardInterrupt:
            lives += 1
    assert lives > 3
    assert (tmp_path / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    assert (state.records, state.labels, state.tokens) == (whole.records, whole.labels, whole.tokens)


def test_a_decoder_that_vllm_runs_gives_the_same_bytes_too(corpus: Path, tmp_path: Path) -> None:
    folder = build("qwen2", tmp_path / "qwen2", seed=1, num_labels=5)
    with LLM(folder, kv_cache_memory_bytes=1 << 26) as native:
        assert not native.packed
        tag_files(native, corpus, tmp_path / "whole.jsonl")
        for count in (2, 4):
            with pytest.raises(KeyboardInterrupt):
                tag_files(native, corpus, tmp_path / "out.jsonl", watch=stop_after(count))
        tag_files(native, corpus, tmp_path / "out.jsonl")
    assert (tmp_path / "out.jsonl").read_bytes() == (tmp_path / "whole.jsonl").read_bytes()


def test_bad_records_are_counted_and_named_and_the_others_tagged(llm: LLM, tmp_path: Path) -> None:
    lines = [b'{"text": "I am Ann Smith."}', b"{", b"[]", b'{"id": 1}', b'{"text": 5}', b'{"text": "\xff"}', b""]
    lines += [rb'{"text": "\ud800"}', rb'{"text": "I am Bob Jones.", "odd": "\ud800"}']
    (tmp_path / "in.jsonl").write_bytes(b"\n".join(lines))
    state = tag_files(llm, tmp_path / "in.jsonl", tmp_path / "out.jsonl")
    assert (state.records, state.failures) == (8, 6)
    assert [row["spans"][0]["text"] for row in read(tmp_path / "out.jsonl")] == ["Ann", "Bob"]
    errors = read(tmp_path / "out.jsonl.errors.jsonl")
    assert [error["record"] for error in errors] == [2, 3, 4, 5, 6, 8]
    assert {error["file"] for error in errors} == {str(tmp_path / "in.jsonl")}
    with pytest.raises(VtagError, match=r"in.jsonl: record 2: not JSON: fix it") as caught:
        tag_files(llm, tmp_path / "in.jsonl", tmp_path / "strict.jsonl", strict=True)
    assert caught.value.exit_code == 4


# --- what a run may be told ---


def test_words_are_tagged_as_words(llm: LLM, tmp_path: Path) -> None:
    words = [["I", "am", "Ann", "Smith", "."], [], ["Call", "Bob Jones"]]
    write(tmp_path / "in.jsonl", [{"words": row, "id": i} for i, row in enumerate(words)])
    write(tmp_path / "bad.jsonl", [{"words": "no list"}, {"words": ["a", 1]}, {"words": ["\x00", "a"]}])
    for name in ("out.jsonl", "out.parquet", "out.csv"):
        state = tag_files(llm, [tmp_path / "in.jsonl", tmp_path / "bad.jsonl"], tmp_path / name, words_field="words")
        assert (state.records, state.failures) == (6, 2)
    found = llm.tag(words=[*words, ["\x00", "a"]], use_tqdm=False)
    expected = [[span.to_dict() for span in spans] for spans in found]
    assert [row["spans"] for row in read(tmp_path / "out.jsonl")] == expected
    assert pq.read_table(tmp_path / "out.parquet").column("spans").to_pylist() == expected
    # A table holds lists as JSON, and gives them back as words.
    tag_files(llm, tmp_path / "out.csv", tmp_path / "again.jsonl", words_field="words", spans_field="again")
    assert [row["again"] for row in read(tmp_path / "again.jsonl")] == expected


def test_options_are_those_of_tag(llm: LLM, corpus: Path, tmp_path: Path) -> None:
    options: dict[str, Any] = {"aggregation_strategy": "simple", "threshold": {"CITY": 0.9}, "ignore_labels": ["O"]}
    tag_files(llm, corpus, tmp_path / "out.jsonl", spans_field="found", **options)
    found = llm.tag(TEXTS[:CHUNK], use_tqdm=False, **options)
    rows = read(tmp_path / "out.jsonl")
    assert [row["found"] for row in rows[:CHUNK]] == [[span.to_dict() for span in spans] for spans in found]


@pytest.mark.parametrize("suffix", [".jsonl", ".jsonl.gz", ".jsonl.zst", ".csv", ".tsv", ".parquet"])
def test_every_format_carries_the_corpus_there_and_back(llm: LLM, suffix: str, corpus: Path, tmp_path: Path) -> None:
    tag_files(llm, corpus, tmp_path / f"one{suffix}")
    tag_files(llm, tmp_path / f"one{suffix}", tmp_path / "two.jsonl", overwrite_field=True)
    rows = read(tmp_path / "two.jsonl")
    assert [(row["text"], int(row["id"])) for row in rows] == [(text, i) for i, text in enumerate(TEXTS)]
    tag_files(llm, corpus, tmp_path / "direct.jsonl")
    assert [row["spans"] for row in rows] == [row["spans"] for row in read(tmp_path / "direct.jsonl")]


def test_hostile_texts_are_all_answered_or_in_the_errors_file(llm: LLM, tmp_path: Path) -> None:
    shutil.copy(HOSTILE / "hostile.jsonl", tmp_path)
    # Tens of windows each; not the megabytes that some of them could have.
    big = [json.loads(line) for line in (HOSTILE / "hostile_big.jsonl").read_text("ascii").splitlines()]
    (tmp_path / "big.jsonl").write_text(
        "".join(
            json.dumps(
                {"name": row["name"], "text": row["prefix"] + row["unit"] * min(row["count"], 3000) + row["suffix"]}
            )
            + "\n"
            for row in big
        ),
        "ascii",
    )
    state = tag_files(llm, [tmp_path / "hostile.jsonl", tmp_path / "big.jsonl"], tmp_path / "out.jsonl")
    given = [*read(tmp_path / "hostile.jsonl"), *read(tmp_path / "big.jsonl")]
    errors = read(tmp_path / "out.jsonl.errors.jsonl")
    rows = {row["name"]: row for row in read(tmp_path / "out.jsonl")}
    assert state.records == len(given) == len(rows) + len(errors)
    assert {error["reason"] for error in errors} == {"a lone surrogate"}
    halves = {row["name"] for row in given if any("\ud800" <= c <= "\udfff" for c in row["text"])}
    assert {row["name"] for row in given} - rows.keys() == halves
    for row in given:
        for span in rows.get(row["name"], {"spans": []})["spans"]:
            assert span["text"] == row["text"][span["start"] : span["end"]]


def test_many_files_become_one_and_errors_say_which(llm: LLM, tmp_path: Path) -> None:
    (tmp_path / "b.txt").write_bytes(b"I am Ann.\n\xff\n\n")
    (tmp_path / "a.csv").write_bytes(b"n,text\n1,I am Bob.\n2\n")
    write(tmp_path / "c.jsonl", [{"text": "I am Tom."}])
    state = tag_files(llm, tmp_path, tmp_path / "out.jsonl")
    assert (state.records, state.failures) == (6, 2)
    assert [(row.get("n"), row["text"]) for row in read(tmp_path / "out.jsonl")] == [
        ("1", "I am Bob."),
        (None, "I am Ann."),
        (None, ""),
        (None, "I am Tom."),
    ]
    assert read(tmp_path / "out.jsonl.errors.jsonl") == [
        {"file": str(tmp_path / "a.csv"), "record": 2, "reason": "more or fewer fields than the header"},
        {"file": str(tmp_path / "b.txt"), "record": 2, "reason": "not UTF-8"},
    ]
    assert tag_files(llm, tmp_path, tmp_path / "out.jsonl") == state, "the output is none of its own inputs"


ODD_CELLS = [
    "I am Ann.",
    'say "Bob"',
    '"',
    '""Tom""',
    "a,b",
    "a;b",
    "a\tb",
    "a\nb",
    "a\r\nb",
    "",
    " ",
    "|",
    "\\",
    "[{",
    "ü 🙂",
]
LINE_ENDS = str.maketrans("\t\r\n", "   ")


def write_as(path: Path, rows: list[dict[str, str]]) -> None:
    """By those who write such files: the libraries' own writers."""
    if path.suffix in (".csv", ".tsv"):
        with path.open("w", encoding="utf-8", newline="") as file:
            if path.suffix == ".tsv":
                file.writelines(
                    "\t".join(cells) + "\n" for cells in [list(rows[0]), *(list(row.values()) for row in rows)]
                )
            else:
                writer = csv.DictWriter(file, list(rows[0]), delimiter=";" if path.stem == "semicolon" else ",")
                writer.writeheader()
                writer.writerows(rows)
    elif path.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
    elif path.suffix == ".json":
        path.write_text(json.dumps(rows, indent=2), "utf-8")
    elif path.suffix == ".txt":
        path.write_text("".join(row["text"] + "\n" for row in rows), "utf-8", newline="\n")
    else:
        write(path, rows)


@pytest.mark.parametrize("out", ["out.jsonl", "out.csv", "out.tsv", "out.parquet"])
@pytest.mark.parametrize("name", ["in.jsonl", "in.json", "in.csv", "semicolon.csv", "in.tsv", "in.parquet", "in.txt"])
def test_every_row_is_in_the_output_or_among_the_errors(llm: LLM, tmp_path: Path, name: str, out: str) -> None:
    cells = ODD_CELLS
    if name.endswith((".tsv", ".txt")):  # which have no way to write line ends
        cells = [cell.translate(LINE_ENDS) for cell in cells]
    pairs = [*zip(cells, cells, strict=True), *zip(cells, cells[4:] + cells[:4], strict=True)]
    rows = [{"id": str(i), "note": note, "text": text} for i, (note, text) in enumerate(pairs)]
    write_as(tmp_path / name, rows)
    state = tag_files(llm, tmp_path / name, tmp_path / out)
    errors = read(tmp_path / f"{out}.errors.jsonl") if state.failures else []
    with inputs.opened(found := inputs.find([str(tmp_path / out)])[0]) as raw:
        written = [item.fields for item in inputs.records(found, raw) if isinstance(item, Record)]
    assert state.records == len(rows) == len(written) + len(errors)
    lost = {error["record"] for error in errors}
    names = ["text"] if name == "in.txt" else ["id", "note", "text"]
    kept = [row for number, row in enumerate(rows, 1) if number not in lost]
    assert [[row[n] for n in names] for row in written] == [[row[n] for n in names] for row in kept]
    cannot = [any(sign in row[n] for n in names for sign in "\t\r\n") and out == "out.tsv" for row in rows]
    assert lost == {number for number, why in enumerate(cannot, 1) if why}


def test_an_empty_shard_keeps_its_columns(llm: LLM, tmp_path: Path) -> None:
    pq.write_table(
        pa.table({"text": pa.array([], pa.string()), "id": pa.array([], pa.int16())}), tmp_path / "in.parquet"
    )
    (tmp_path / "in.csv").write_bytes(b"text;id\n")
    for name in ("in.parquet", "in.csv"):
        for out in ("out.parquet", "out.csv", "out.tsv"):
            tag_files(llm, tmp_path / name, tmp_path / out, restart=True)
        assert (tmp_path / "out.csv").read_bytes() == b"text,id,spans\n"
        assert (tmp_path / "out.tsv").read_bytes() == b"text\tid\tspans\n"
        schema = pq.read_schema(tmp_path / "out.parquet")
        assert schema.names == ["text", "id", "spans"]
        assert schema.types[1] == (pa.int16() if name == "in.parquet" else pa.string())


def test_a_field_within_a_record_is_read_by_its_path(llm: LLM, tmp_path: Path) -> None:
    rows = [{"data": {"text": "I am Ann."}}, {"data": {}}, {"data": 1}, {"data.text": "I am Bob."}]
    write(tmp_path / "in.jsonl", rows)
    pq.write_table(pa.table({"data": [{"text": "I am Ann."}]}), tmp_path / "in.parquet")
    state = tag_files(llm, tmp_path / "in.jsonl", tmp_path / "out.jsonl", text_field="data.text")
    assert (state.records, state.failures) == (4, 2)
    assert [[span["text"] for span in row["spans"]] for row in read(tmp_path / "out.jsonl")] == [["Ann"], ["Bob"]]
    tag_files(llm, tmp_path / "in.parquet", tmp_path / "b.jsonl", text_field="data.text")
    assert read(tmp_path / "b.jsonl")[0]["spans"][0]["text"] == "Ann"
    with pytest.raises(InputError, match=r"with one of its fields: data\.text$"):
        tag_files(llm, tmp_path / "in.jsonl", tmp_path / "c.jsonl")


def test_a_field_that_comes_too_late_for_a_table_is_an_error_of_its_record(llm: LLM, tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [{"text": "a"}] * CHUNK + [{"text": "b", "new": 1}, {"text": "c"}]
    state = tag_files(llm, write(tmp_path / "in.jsonl", rows), tmp_path / "out.csv")
    assert (state.records, state.failures) == (CHUNK + 2, 1)
    assert [error["record"] for error in read(tmp_path / "out.csv.errors.jsonl")] == [CHUNK + 1]
    state = tag_files(llm, tmp_path / "in.jsonl", tmp_path / "out.parquet")
    assert state.failures == 0


def test_no_records_make_an_empty_output(llm: LLM, tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_bytes(b"")
    for name in ("out.jsonl", "out.parquet", "out.csv"):
        assert tag_files(llm, tmp_path / "in.jsonl", tmp_path / name).done
        assert (tmp_path / name).exists()


def test_a_text_that_the_tagger_refuses_is_an_error_of_its_record(
    llm: LLM, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As models without a fast tokenizer do; the others of its chunk are tagged."""
    encode = llm.tagger._text.encode

    def without_some_offsets(texts: Sequence[str]) -> list[Encoding]:
        return [replace(one, offsets=None) if one.text == "no" else one for one in encode(texts)]

    monkeypatch.setattr(llm.tagger._text, "encode", without_some_offsets)
    rows = [{"text": text} for text in ("I am Ann.", "no", "I am Bob.", "no", "I am Tom.")]
    state = tag_files(llm, write(tmp_path / "in.jsonl", rows), tmp_path / "out.jsonl")
    assert (state.records, state.failures) == (5, 2)
    assert [row["spans"][0]["text"] for row in read(tmp_path / "out.jsonl")] == ["Ann", "Bob", "Tom"]
    assert [e["reason"] for e in read(tmp_path / "out.jsonl.errors.jsonl")] == [REASONS["no_offsets"]] * 2


def test_a_text_with_a_token_that_the_model_has_not_is_an_error_of_its_record(
    llm: LLM, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = llm.tagger.prepare(["I am Ann.", "I am Bob."])
    last = [int(encoding.ids[-3]) for encoding in batch.encodings]  # the name, before the point and [SEP]
    monkeypatch.setattr(llm.tagger, "vocabulary", max(last))
    bad = last.index(max(last)) + 1
    rows = [{"text": text} for text in ("I am Ann.", "I am Bob.")]
    assert tag_files(llm, write(tmp_path / "in.jsonl", rows), tmp_path / "out.jsonl").failures == 1
    (failed,) = read(tmp_path / "out.jsonl.errors.jsonl")
    assert (failed["record"], failed["reason"]) == (bad, REASONS["id_outside"])


# --- what a run refuses, and how it continues after a mishap ---


def refused(kind: str, *arguments: Any, **options: Any) -> str:
    """The one line of a run that is refused."""
    with pytest.raises(VtagError) as caught:
        tag_files(*arguments, **options)
    assert caught.value.kind == kind
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_finished_run_does_nothing_unless_told_to_begin_anew(llm: LLM, corpus: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    state = tag_files(llm, corpus, out)
    whole, when = out.read_bytes(), out.stat().st_mtime_ns
    assert tag_files(llm, corpus, out) == state
    assert out.stat().st_mtime_ns == when
    assert tag_files(llm, corpus, out, restart=True).done
    assert out.stat().st_mtime_ns != when
    assert out.read_bytes() == whole
    out.unlink()
    refused("output_lost", llm, corpus, out)


def test_another_input_model_or_setting_is_refused_by_name(llm: LLM, corpus: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    with pytest.raises(KeyboardInterrupt):
        tag_files(llm, corpus, out, watch=stop_after(2))
    before = out.read_bytes()
    assert "another threshold:" in refused("another_run", llm, corpus, out, threshold=0.5)
    assert "another spans_field:" in refused("another_run", llm, corpus, out, spans_field="x")
    other = "bfloat16" if str(llm.plan.arguments["dtype"]) == "float32" else "float32"
    assert "another dtype" in refused("another_run", "demo", corpus, out, dtype=other)
    tiny = build("bert", tmp_path / "tiny", seed=1, num_labels=5)
    assert "another model" in refused("another_run", str(tiny), corpus, out)
    corpus.write_bytes(corpus.read_bytes() + b"\n")
    assert "another input:" in refused("another_run", llm, corpus, out)
    assert out.read_bytes() == before
    assert tag_files(llm, corpus, out, restart=True).records == len(TEXTS)


def test_an_output_that_is_somebody_elses_is_left_alone(llm: LLM, corpus: Path, tmp_path: Path) -> None:
    for name in ("out.jsonl", "out.parquet"):
        (tmp_path / name).write_bytes(b"precious")
        refused("output_exists", llm, corpus, tmp_path / name)
        assert (tmp_path / name).read_bytes() == b"precious"
        assert tag_files(llm, corpus, tmp_path / name, restart=True).done


def test_fields_that_cannot_be_meant_are_refused_before_the_engine_starts(tmp_path: Path) -> None:
    source = write(tmp_path / "in.jsonl", [{"text": "a", "spans": []}])
    assert "--spans-field" in refused("field_taken", "demo", source, tmp_path / "out.jsonl")
    assert "'body'" in refused(
        "no_text_field", "demo", write(source, [{"x": 1}] * 100), tmp_path / "o.jsonl", text_field="body"
    )
    (tmp_path / "in.csv").write_bytes(b"a,b\n1,2\n")
    refused("no_text_field", "demo", tmp_path / "in.csv", tmp_path / "out.jsonl")
    refused("unknown_output", "demo", tmp_path / "in.csv", tmp_path / "out.txt")
    refused("no_such_format", "demo", tmp_path / "in.csv", tmp_path / "out.csv", format="xml")
    assert not list(tmp_path.glob("*.journal"))


def test_spans_that_come_late_are_errors_of_their_records_and_may_be_overwritten(llm: LLM, tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [{"text": "I am Ann."}] * 100 + [{"spans": 1, "text": "I am Bob."}]
    source = write(tmp_path / "in.jsonl", rows)
    assert tag_files(llm, source, tmp_path / "out.jsonl").failures == 1
    assert tag_files(llm, source, tmp_path / "new.jsonl", overwrite_field=True).failures == 0
    assert [span["text"] for span in read(tmp_path / "new.jsonl")[-1]["spans"]] == ["Bob"]


@pytest.mark.parametrize("name", ["out.jsonl", "out.parquet", "out.csv.gz"])
def test_a_full_disk_is_one_line_and_the_run_goes_on_when_there_is_room(
    llm: LLM, name: str, corpus: Path, tmp_path: Path
) -> None:
    tag_files(llm, corpus, tmp_path / f"whole-{name}")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    # A file of the run that grows beyond this is cut off in the middle of a write.
    resource.setrlimit(resource.RLIMIT_FSIZE, (3_000, limits[1]))
    try:
        line = refused("output_failed", llm, corpus, tmp_path / name)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert line.startswith(f"{tmp_path / name}: cannot be written (File too large): ")
    tag_files(llm, corpus, tmp_path / name)
    assert (tmp_path / name).read_bytes() == (tmp_path / f"whole-{name}").read_bytes()


def test_an_output_that_may_not_be_written_is_one_line(corpus: Path, llm: LLM, tmp_path: Path) -> None:
    assert "No such file" in refused("output_failed", llm, corpus, tmp_path / "none" / "out.jsonl")
    (tmp_path / "out.parquet.parts").write_bytes(b"")
    refused("output_failed", llm, corpus, tmp_path / "out.parquet")


def test_an_input_that_goes_in_the_middle_is_one_line_and_the_run_goes_on_when_it_is_back(
    llm: LLM, corpus: Path, tmp_path: Path
) -> None:
    second = tmp_path / "second.jsonl"
    shutil.copy(corpus, second)
    tag_files(llm, [corpus, second], tmp_path / "whole.jsonl")

    def take_away(state: State, share: float | None) -> None:
        second.unlink(missing_ok=True)

    assert "second.jsonl: no such file" in refused(
        "input_gone", llm, [corpus, second], tmp_path / "out.jsonl", watch=take_away
    )
    shutil.copy(corpus, second)
    tag_files(llm, [corpus, second], tmp_path / "out.jsonl")
    assert (tmp_path / "out.jsonl").read_bytes() == (tmp_path / "whole.jsonl").read_bytes()


def test_a_damaged_input_is_one_line_after_what_could_be_read(llm: LLM, corpus: Path, tmp_path: Path) -> None:
    (tmp_path / "cut.jsonl.gz").write_bytes(gzip.compress(corpus.read_bytes() * 2)[:-4])
    line = refused("input_broken", llm, tmp_path / "cut.jsonl.gz", tmp_path / "out.jsonl")
    assert int(re.findall(r"after record (\d+)", line)[0]) >= len(read(tmp_path / "out.jsonl")) > CHUNK


def test_an_output_that_somebody_removes_in_the_middle_is_refused_not_patched(
    llm: LLM, corpus: Path, tmp_path: Path
) -> None:
    def take_away(state: State, share: float | None) -> None:
        (tmp_path / "out.jsonl").unlink(missing_ok=True)

    refused("output_lost", llm, corpus, tmp_path / "out.jsonl", watch=take_away)


def test_a_pipe_of_another_name_is_read_once(llm: LLM, corpus: Path, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jsonl")
    with subprocess.Popen(["cp", corpus, tmp_path / "pipe.jsonl"]):
        assert tag_files(llm, tmp_path / "pipe.jsonl", tmp_path / "out.jsonl").records == len(TEXTS)
    assert not (tmp_path / "out.jsonl.journal").exists()
    assert "dtype: this LLM has already started" in refused(
        "engine_is_made", llm, corpus, tmp_path / "other.jsonl", dtype="float32"
    )


def test_an_output_with_less_than_its_journal_says_is_refused(llm: LLM, corpus: Path, tmp_path: Path) -> None:
    for name in ("out.jsonl", "out.parquet"):
        with pytest.raises(KeyboardInterrupt):
            tag_files(llm, corpus, tmp_path / name, watch=stop_after(3))
    os.truncate(tmp_path / "out.jsonl", 1000)
    refused("output_lost", llm, corpus, tmp_path / "out.jsonl")
    (tmp_path / "out.parquet.parts" / "00000001.part").unlink()
    refused("output_lost", llm, corpus, tmp_path / "out.parquet")


def test_two_runs_on_one_output_the_second_is_refused(llm: LLM, corpus: Path, tmp_path: Path) -> None:
    def again(state: State, share: float | None) -> None:
        assert "another run is writing it" in refused("output_busy", llm, corpus, tmp_path / "out.jsonl")

    assert tag_files(llm, corpus, tmp_path / "out.jsonl", watch=again).done


def test_the_journal_and_the_errors_hold_no_text(llm: LLM, tmp_path: Path) -> None:
    rows: list[Any] = [{"text": f"Xylophone {i}", "Zeppelin": "Quagga"} for i in range(100)] + [{"text": ["Yeti"]}]
    (tmp_path / "in.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows) + '{"Wombat"\n', "utf-8")
    tag_files(llm, tmp_path / "in.jsonl", tmp_path / "out.jsonl")
    written = (tmp_path / "out.jsonl.journal").read_text("utf-8")
    written += (tmp_path / "out.jsonl.errors.jsonl").read_text("utf-8")
    assert not re.search("Xylophone|Quagga|Yeti|Wombat|Zeppelin", written)

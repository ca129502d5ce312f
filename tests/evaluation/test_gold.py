"""Gold of all forms is read alike; what cannot be gold is one line with record and field, and nothing of the text."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.refusals import refused
from vtag.evaluation.gold import KEPT, GoldData
from vtag.evaluation.gold_record import Columns
from vtag.text.offsets import positions

ANN = "Ann Lee saw Zoë in Łódź 👩‍👩‍👧 today, at noon."


def gold(records: Any, **how: Any) -> GoldData:
    return GoldData(records, Columns(), **how)


def spans(records: Any, **how: Any) -> list[list[tuple[int, int, str]]]:
    return [one.spans for one in gold(records, **how)]


TAGGED = {"tokens": ["Ann", "Lee", "saw", "Zoë"], "tags": ["B-PER", "I-PER", "O", "B-PER"]}


@pytest.mark.parametrize(
    "record",
    [
        {"text": ANN, "spans": [[0, 7, "PER"], [12, 15, "PER"]]},
        {"text": ANN, "spans": [{"start": 12, "end": 15, "label": "PER"}, {"start": 0, "end": 7, "label": "PER"}]},
        {"text": ANN, "spans": [{"start": 0, "end": 7, "entity_group": "PER"}, [12, 15, "PER", "of a tool"]]},
        {"text": ANN, "spans": [{"start_offset": 0, "end_offset": 7, "label": "PER"}, (12, 15, "PER")]},
        {"text": ANN, "spans": json.dumps([[0, 7, "PER"], [12, 15, "PER"], [12, 15, "PER"]])},
        TAGGED,
        {**TAGGED, "tokens": json.dumps(TAGGED["tokens"]), "tags": json.dumps(TAGGED["tags"])},
        {**TAGGED, "tags": ["U-PER", "U-PER", "O", "U-PER"], "expected": [[0, 3], [4, 7], [12, 15]]},
    ],
)
def test_spans_and_tags_in_all_their_forms(record: dict[str, Any]) -> None:
    expected = record.pop("expected", [[0, 7], [12, 15]])
    assert spans([record]) == [[(start, end, "PER") for start, end in expected]]


def test_tags_are_read_on_the_text_if_that_is_asked_for() -> None:
    text = "Ann  Lee saw Zoë"
    searched = {**TAGGED, "text": text}
    placed = {**searched, "spans": [[0, 3], [5, 8], [9, 12], [13, 16]]}
    for record in (searched, placed, {**searched, "offsets": placed["spans"]}):
        (one,) = gold([record], as_words=False)
        assert (one.text, one.words, one.spans) == (text, None, [(0, 8, "PER"), (13, 16, "PER")])
        (one,) = gold([record])
        assert (one.text, one.words, one.spans) == (
            "Ann Lee saw Zoë",
            TAGGED["tokens"],
            [(0, 7, "PER"), (12, 15, "PER")],
        )


def test_other_fields_and_other_names(tmp_path: Path) -> None:
    record = {"data": {"body": ANN}, "label": [[0, 7, "person"], [12, 15, "other"]]}
    (tmp_path / "gold.json").write_text(json.dumps([record]))
    found = GoldData(
        tmp_path / "gold.json",
        Columns(text="data.body", spans="label"),
        label_map={"person": "PER", "other": ""},
    )
    assert [one.spans for one in found] == [[(0, 7, "PER")]]
    assert (found.labels, found.own_labels) == ({"PER"}, {"person", "other"})


def test_formats_with_columns_hold_the_same_gold(tmp_path: Path) -> None:
    from pyarrow import Table
    from pyarrow.parquet import write_table

    rows = [{"text": ANN, "spans": [{"start": 0, "end": 7, "label": "PER"}]}, {"text": "", "spans": []}]
    write_table(Table.from_pylist(rows), tmp_path / "gold.parquet")
    write_table(Table.from_pylist([TAGGED]), tmp_path / "tags.parquet")
    (tmp_path / "tags.conll").write_text("Ann B-PER\nLee I-PER\nsaw O\nZoë B-PER\n")
    assert spans(tmp_path / "gold.parquet") == [[(0, 7, "PER")], []]
    assert spans(tmp_path / "tags.parquet") == spans(tmp_path / "tags.conll") == spans([TAGGED])
    both = gold([tmp_path / "tags.parquet", tmp_path / "tags.conll"])
    assert (both.records, both.files) == (2, ["tags.parquet", "tags.conll"])


def test_more_records_than_are_kept_are_read_again(tmp_path: Path) -> None:
    with (tmp_path / "gold.jsonl").open("w") as file:
        for number in range(KEPT + 10):
            file.write(json.dumps({"text": f"{number} Ann", "spans": [[0, 1, "N"]]}) + "\n")
    found = gold(tmp_path / "gold.jsonl")
    for _ in range(2):
        assert [one.text for one in found] == [f"{number} Ann" for number in range(KEPT + 10)]


BAD = {"text": ANN, "spans": []}
IN_BYTES = [len(ANN[:at].encode()) for at in (19, 23)]
IN_UTF16 = [len(ANN[:at].encode("utf-16-le")) // 2 for at in (30, 35)]


@pytest.mark.parametrize(
    ("record", "says"),
    [
        ({"text": ANN}, "record 2, spans: is missing, and so are tags"),
        ({"spans": []}, "record 2, text: is missing"),
        ({"text": 1, "spans": []}, "record 2, text: is not a string"),
        ({"text": "Ann \ud800", "spans": []}, "record 2, text: has a lone surrogate"),
        ({**BAD, "spans": None}, "record 2, spans: is not a list of"),
        ({**BAD, "spans": [[0, 3]]}, "record 2, spans: is not a list of"),
        ({**BAD, "spans": [["0", 3, "PER"]]}, "record 2, spans: is not a list of"),
        ({**BAD, "spans": [{"start": 0, "end": 3}]}, "record 2, spans: is not a list of"),
        ({**BAD, "spans": [[True, 3, "PER"]]}, "record 2, spans: is not a list of"),
        ({**BAD, "spans": [[0, 999, "PER"]]}, "record 2, spans: has a span outside of the text"),
        ({**BAD, "spans": [[-1, 3, "PER"]]}, "record 2, spans: has a span outside of the text"),
        ({**BAD, "spans": [[3, 3, "PER"]]}, "record 2, spans: has a span without characters"),
        ({**BAD, "spans": [{"start": 0, "end": 3, "label": "PER", "text": "Lee"}]}, "whose text is not the one"),
        (
            {**BAD, "spans": [{"start": IN_BYTES[0], "end": IN_BYTES[1], "label": "CITY", "value": "Łódź"}]},
            "record 2, spans: has offsets in bytes",
        ),
        (
            {**BAD, "spans": [{"start": IN_UTF16[0], "end": IN_UTF16[1], "label": "DATE", "text": "today"}]},
            "record 2, spans: has offsets in UTF-16 units",
        ),
        ({**BAD, "spans": [[*IN_BYTES, "CITY"]]}, "record 2, spans: its offsets look like bytes"),
        ({**BAD, "spans": [[*IN_UTF16, "DATE"]]}, "record 2, spans: its offsets look like UTF-16 units"),
    ],
)
def test_a_record_that_cannot_be_gold_is_named_without_its_text(record: dict[str, Any], says: str) -> None:
    good = {"text": "Ann", "spans": [[0, 3, "PER"]]}
    refused("bad_gold", says, lambda: gold([good, record]))


@pytest.mark.parametrize(
    ("record", "says"),
    [
        ({"tags": ["O"]}, "record 2, tokens: is missing, but there are tags"),
        ({"tokens": "Ann", "tags": ["O"]}, "record 2, tokens: is not a list of strings"),
        ({"tokens": ["Ann", 1], "tags": ["O", "O"]}, "record 2, tokens: is not a list of strings"),
        ({"tokens": ["Ann"], "tags": [3]}, "record 2, tags: has numbers"),
        ({"tokens": ["Ann"], "tags": "O"}, "record 2, tags: is not a list of strings"),
        ({"tokens": ["Ann"], "tags": ["O", "O"]}, "record 2, tags: has more or fewer tags"),
        ({"text": "Ann", "spans": []}, "record 2, tags: is missing, where other records have tags"),
        ({"tokens": ["Ann"], "tags": ["PER"]}, "record 2, tags: has a tag without a prefix"),
        ({"tokens": [""], "tags": ["B-PER"]}, "record 2, tokens: has an empty token with a tag"),
        ({"tokens": ["\udc00"], "tags": ["O"]}, "record 2, tokens: has a lone surrogate"),
        ({"tokens": ["Ann"] * 1001, "tags": [f"Ann{i}" for i in range(1001)]}, "record 2, tags: has more than 1,000"),
    ],
)
def test_tags_that_cannot_be_gold_are_named_without_the_words(record: dict[str, Any], says: str) -> None:
    good = {"tokens": ["Ann", "Lee", "is"], "tags": ["B-PER", "I-PER", "B-LOC"]}
    refused("bad_gold", says, lambda: gold([good, record]))


@pytest.mark.parametrize(
    ("name", "data", "says"),
    [
        ("gold.conll", "Ann B-PER\n\nAnn\n", "record 2, tags: a line has more or fewer columns"),
        ("gold.conllu", "1\tAnn\tX\n", "record 1, tags: a line has not the 10 columns"),
        ("gold.conll", "Ann\n", "record 1, spans: is missing, and so are tags"),
        ("gold.jsonl", '{"text": "Ann", "spans": []}\n{"text": "Ann', "record 2: not JSON"),
        ("gold.jsonl", "", "has no records"),
    ],
)
def test_files_that_cannot_be_gold(tmp_path: Path, name: str, data: str, says: str) -> None:
    (tmp_path / name).write_text(data)
    kind = "no_gold" if "no records" in says else "bad_gold" if "," in says else "bad_gold_record"
    refused(kind, says, lambda: gold(tmp_path / name))


def test_what_is_no_gold_at_all() -> None:
    refused("bad_argument", "gold=(dict)", lambda: gold({"text": "Ann"}))
    refused("bad_gold_record", "record 1: not a mapping", lambda: gold(["Ann", {"text": "Ann"}, 3]))
    refused("gold_pipe", "write it into a file", lambda: gold("-"))


def test_one_record_that_looks_like_bytes_is_taken_as_it_is_beside_others_that_do_not() -> None:
    odd = {"text": "éab cd ef", "spans": [[5, 7, "X"]]}  # "d " in code points, "cd" in bytes
    refused("bad_gold", "record 1, spans: its offsets look like bytes", lambda: gold([odd]))
    assert spans([odd, {"text": "Zoë saw Ann", "spans": [[8, 11, "PER"]]}]) == [[(5, 7, "X")], [(8, 11, "PER")]]


def test_words_at_one_place_of_the_text_are_in_order(tmp_path: Path) -> None:
    columns = "\t_" * 6
    rows = [f"1-2\tDu\t_\t_{columns}", f"1\tle\t_\tDET{columns}", f"2\tde\t_\tADP{columns}"]
    (tmp_path / "gold.conllu").write_text("\n".join(rows) + "\n")
    assert spans(tmp_path / "gold.conllu", as_words=False) == [[(0, 2, "ADP"), (0, 2, "DET")]]
    assert spans(tmp_path / "gold.conllu") == [[(0, 2, "DET"), (3, 5, "ADP")]]


WORDS = st.lists(
    st.sampled_from(["Ann", "Zoë", "Łódź", "née", "👩‍👩‍👧", "in", "北京", "e\u0301t", "ﬁn"]), min_size=2, max_size=9
)


@given(WORDS, st.sampled_from(["utf8", "utf16"]))
def test_offsets_of_whole_words_are_taken_as_they_are_and_never_in_another_unit(words: list[str], unit: str) -> None:
    text = " ".join(words)
    places = [(0, 0)]
    for word in words:
        start = places[-1][1] + (len(places) > 1)
        places.append((start, start + len(word)))
    right = [(start, end) for start, end in places[1:] if text[start].isalnum()]
    wanted = [(start, end, "X") for start, end in right]
    assert spans([{"text": text, "spans": wanted}]) == [wanted]
    at = positions(text, unit)
    if at is None:
        return
    other = [(int(at[start]), int(at[end])) for start, end in right]
    shown = [
        {"start": start, "end": end, "label": "X", "text": text[slice(*place)]}
        for (start, end), place in zip(other, right, strict=True)
    ]
    if other != right:
        with pytest.raises(ValueError, match=r"offsets in|outside of the text|text is not the one"):
            gold([{"text": text, "spans": shown}])

"""Names of labels in answers: the model's own, or those of a label map."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.decode.schemes import make
from vtag.decode import scheme as schemes
from vtag.decode.names import names_of
from vtag.decode.scheme import FAMILIES
from vtag.decode.spans import decode
from vtag.decode.top_k import most_probable, span_types
from vtag.errors import SettingError
from vtag.types import Encoding

BIO = ("O", "B-PER", "I-PER", "B-LOC", "I-LOC", "B-MISC", "I-MISC")
MAP = {"PER": "PERSON", "LOC": "PERSON", "MISC": ""}


def read(*labels: str) -> schemes.Scheme:
    return schemes.read(dict(enumerate(labels)))


def words(count: int) -> Encoding:
    """A text of one-letter words, one token each."""
    starts = 2 * np.arange(count, dtype=np.int32)
    offsets = np.stack([starts, starts + 1], axis=1)
    ids = np.arange(count, dtype=np.int32)
    return Encoding(" ".join("abcdefgh"[:count]), ids, np.zeros(count, bool), offsets, ids)


def sure(scheme: schemes.Scheme, *labels: str) -> np.ndarray:
    """Probabilities that leave no doubt about these labels."""
    rows = np.full((len(labels), len(scheme.labels)), 0.001, np.float32)
    rows[np.arange(len(labels)), [scheme.labels.index(label) for label in labels]] = 0.9
    return rows


def test_without_a_map_names_are_the_models_own() -> None:
    scheme = read(*BIO)
    names = names_of(scheme)
    assert names.labels == BIO
    assert names.types == scheme.types
    assert names.groups == ("O", "PER", "PER", "LOC", "LOC", "MISC", "MISC")
    assert names.of_spans == scheme.span_labels


@pytest.mark.parametrize(
    ("labels", "label_map", "wanted"),
    [
        (BIO, MAP, ["O", "B-PERSON", "I-PERSON", "B-PERSON", "I-PERSON", "O", "O"]),
        (("O", "PER_B", "PER_I"), {"PER": "PERSON"}, ["O", "PERSON_B", "PERSON_I"]),
        (("O", "B", "I"), {"ENTITY": "HALLUCINATED"}, ["O", "B-HALLUCINATED", "I-HALLUCINATED"]),
        (("LABEL_0", "LABEL_1"), {"LABEL_0": "", "LABEL_1": "HALLUCINATED"}, ["O", "HALLUCINATED"]),
        (("O", "S-PER", "B-PER", "E-PER", "I-PER"), {"PER": "E-MAIL"}, ["O", *(f"{p}-E-MAIL" for p in "SBEI")]),
    ],
)
def test_labels_keep_their_prefixes(labels: tuple[str, ...], label_map: dict[str, str], wanted: list[str]) -> None:
    names = names_of(read(*labels), label_map)
    assert list(names.labels) == wanted
    assert set(names.groups) == set(names.of_spans) | {"O"}


@pytest.mark.parametrize(
    ("label_map", "kind"),
    [
        ({"PERSON": "X"}, "no_such_type"),
        ({"B-PER": "X"}, "no_such_type"),
        ({"O": "X"}, "no_such_type"),
        ({"": "X"}, "no_such_type"),
        ({7: "X"}, "no_such_type"),
        ({"PER": "O"}, "bad_label_name"),
        ({"PER": " X"}, "bad_label_name"),
        ({"PER": "X\n"}, "bad_label_name"),
        ({"PER": "\x1b[31m"}, "bad_label_name"),
        ({"PER": None}, "bad_label_name"),
        ({"PER": {"a": "b"}}, "bad_label_name"),
        ([("PER", "X")], "bad_label_map"),
        ("PER", "bad_label_map"),
    ],
)
def test_a_map_that_does_not_fit_is_refused_in_one_line(label_map: Any, kind: str) -> None:
    with pytest.raises(SettingError) as raised:
        names_of(read(*BIO), label_map)
    assert raised.value.kind == kind
    assert "\n" not in str(raised.value)
    if kind == "no_such_type":
        assert str(raised.value).endswith("choose among PER, LOC, MISC")


def test_neighbours_that_become_equal_stay_two_spans() -> None:
    scheme = read(*BIO)
    labels = ["B-PER", "I-PER", "B-LOC", "B-MISC", "I-MISC", "O"]
    (found,) = decode([words(6)], [sure(scheme, *labels)], scheme, names=names_of(scheme, MAP).types)
    assert [span.to_tuple() for span in found] == [(0, 3, "PERSON"), (4, 5, "PERSON")]
    (ignored,) = decode(
        [words(6)], [sure(scheme, *labels)], scheme, names=names_of(scheme, MAP).types, ignore_labels=["PERSON"]
    )
    assert ignored == []


def test_types_of_one_name_at_one_place_are_one_span_of_a_multi_label_model() -> None:
    scheme = read("PER", "LOC", "MISC")
    rows = np.array([[0.8, 0.9, 0.1], [0.1, 0.1, 0.9]], np.float32)
    (found,) = decode([words(2)], [rows], scheme, names=names_of(scheme, MAP).types, multi_label=True)
    assert [span.to_tuple() for span in found] == [(0, 1, "PERSON")]
    assert found[0].score == pytest.approx(0.9, abs=0.01)


def test_probabilities_of_labels_that_share_a_name_are_combined() -> None:
    scheme, rows = read(*BIO), np.array([[0.1, 0.3, 0.1, 0.2, 0.05, 0.2, 0.05]], np.float32)
    names = names_of(scheme, MAP)
    ((first, second, third),) = most_probable(rows, names.labels, 9)
    assert (first, second, third) == (
        ("B-PERSON", pytest.approx(0.5)),
        ("O", pytest.approx(0.35)),
        ("I-PERSON", pytest.approx(0.15)),
    )
    (span,) = decode([words(1)], [rows], scheme, names=names.types)[0]
    chances, types = span_types(words(1), rows, [span], names.types, multi_label=False)
    assert (types, chances.tolist()) == (["O", "PERSON"], [[pytest.approx(0.35), pytest.approx(0.65)]])


def test_independent_labels_that_share_a_name_are_combined_as_such() -> None:
    rows = np.array([[0.5, 0.5, 0.2]], np.float32)
    names = names_of(read("PER", "LOC", "MISC"), {"LOC": "PER"})
    assert most_probable(rows, names.labels, 1, multi_label=True) == [[("PER", pytest.approx(0.75))]]


@given(
    st.sampled_from(sorted(FAMILIES)),
    st.lists(st.sampled_from(["PER", "LOC", "DATE", ""]), min_size=4, max_size=4),
    st.data(),
)
def test_under_any_map_spans_are_the_same_by_other_names(family: str, names: list[str], data: st.DataObject) -> None:
    kinds = ["PER", "LOC", "ORG", "E-MAIL"]
    scheme = make(family, kinds)
    label_map = {kind: name for kind, name in zip(kinds, names, strict=True) if data.draw(st.booleans())}
    rows = np.random.default_rng(data.draw(st.integers(0, 999))).random((8, len(scheme.labels)), np.float32)
    rows /= rows.sum(axis=1, keepdims=True)
    (plain,) = decode([words(8)], [rows], scheme)
    (found,) = decode([words(8)], [rows], scheme, names=names_of(scheme, label_map).types)
    renamed = [replace(span, label=label_map.get(span.label, span.label)) for span in plain]
    assert found == [span for span in renamed if span.label]

"""Label names are read as people mean them, and every scheme allows what it allows and no more."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.decode.schemes import make, spans_of, tags_of
from vtag.decode import scheme as schemes
from vtag.errors import SettingError

UPOS = ["ADJ", "ADP", "AUX", "DET", "INTJ", "NOUN", "NUM", "PART", "PROPN", "PUNCT", "SYM", "VERB", "X"]


def read(labels: list[str], scheme: str | None = None) -> schemes.Scheme:
    return schemes.read(dict(enumerate(labels)), scheme)


@pytest.mark.parametrize(
    ("labels", "name", "parts"),
    [
        (["O", "B-PER", "I-PER"], "IOB2", ["O", "B PER", "I PER"]),
        (["o", "b-per", "i-per"], "IOB2", ["O", "B per", "I per"]),
        (["O", "B_PER", "I_PER"], "IOB2", ["O", "B PER", "I PER"]),
        (["O", "PER-B", "PER-I"], "IOB2", ["O", "B PER", "I PER"]),
        (["O", "BPER", "IPER", "BLOC", "ILOC"], "IOB2", ["O", "B PER", "I PER", "B LOC", "I LOC"]),
        (["O", "B", "I"], "IOB2", ["O", "B ENTITY", "I ENTITY"]),
        (["O", "B-creative-work", "I-creative-work"], "IOB2", ["O", "B creative-work", "I creative-work"]),
        (["O", "B-I-94", "I-I-94"], "IOB2", ["O", "B I-94", "I I-94"]),
        (["O", "B-PER", "I-PER", "B-LOC"], "IOB2", ["O", "B PER", "I PER", "B LOC"]),
        (["X", "[CLS]", "O", "B-PER", "I-PER"], "IOB2", ["O", "O", "O", "B PER", "I PER"]),
        (["O", "B-PER", "I-PER", "I-LOC"], "IOB1", ["O", "B PER", "I PER", "I LOC"]),
        # one type with B- and I- is evidence enough; the others go by their names
        (["O", "B-PER", "I-PER", "EMAIL", "PHONE"], "IOB2", ["O", "B PER", "I PER", "I EMAIL", "I PHONE"]),
        (["O", "B_PER", "I_PER", "E-MAIL", "S_CORP"], "IOB2", ["O", "B PER", "I PER", "I E-MAIL", "I S_CORP"]),
        (
            ["O", "B-A", "I-A", "E-A", "S-A", "S-B", "C", "D", "F", "G"],
            "BIOES",
            "O,B A,I A,E A,S A,S B,I C,I D,I F,I G".split(","),
        ),
        (["O", "B-O", "I-O", "B-LOC"], "IOB2", ["O", "B O", "I O", "B LOC"]),
        (["O", "I-PER", "I-LOC"], "IO", ["O", "I PER", "I LOC"]),
        (["O", "PER", "LOC"], "IO", ["O", "I PER", "I LOC"]),
        (["O", "I-94", "PASSPORT"], "IO", ["O", "I I-94", "I PASSPORT"]),
        (["O", "E-MAIL", "S-CORP"], "IO", ["O", "I E-MAIL", "I S-CORP"]),
        (["O", "I-PER", "E-PER"], "IOE2", ["O", "I PER", "E PER"]),
        (["O", "I-PER", "E-PER", "I-LOC"], "IOE1", ["O", "I PER", "E PER", "I LOC"]),
        (["O", "B-A", "I-A", "E-A", "S-A"], "BIOES", ["O", "B A", "I A", "E A", "S A"]),
        (["O", "B-A", "I-A", "L-A", "U-A"], "BIOES", ["O", "B A", "I A", "E A", "S A"]),
        (["O", "B-A", "M-A", "E-A", "W-A"], "BIOES", ["O", "B A", "I A", "E A", "S A"]),
        (["B", "M", "E", "S"], "BIOES", ["B ENTITY", "I ENTITY", "E ENTITY", "S ENTITY"]),
        (["O", "B-A", "I-A", "E-A"], "BIOE", ["O", "B A", "I A", "E A"]),
        (["OUT", "B-PER", "I-PER"], "IOB2", ["O", "B PER", "I PER"]),
        (["B-PER", "I-PER", "0"], "IOB2", ["B PER", "I PER", "O"]),
        (["O", "B PER", "I PER"], "IOB2", ["O", "B PER", "I PER"]),
        (["<START>", "O", "S-A", "B-A", "E-A"], "BIOES", ["O", "O", "S A", "B A", "E A"]),
        (["O", ".", ",", "?"], "plain", ["O", "S .", "S ,", "S ?"]),
        (["O", "NOUN", "VERB", "ADJ"], "plain", ["O", "S NOUN", "S VERB", "S ADJ"]),
        (["LABEL_0", "LABEL_1"], "plain", ["S LABEL_0", "S LABEL_1"]),
        (["$KEEP", "$APPEND_,", "$REPLACE_it's"], "plain", ["S $KEEP", "S $APPEND_,", "S $REPLACE_it's"]),
        (UPOS, "plain", [f"S {tag}" for tag in UPOS]),
    ],
)
def test_labels_are_read_as_meant(labels: list[str], name: str, parts: list[str]) -> None:
    found = read(labels)
    assert found.name == name
    assert [f"{p} {kind}".strip() for p, kind in zip(found.prefixes, found.types, strict=True)] == parts


# As AllenNLP's allowed_transitions, with > for the start and < for the end.
ALLOWED = {
    "IOB2": "OO OB BO BB BI IO IB II Bb Ib >O >B O< B< I<",
    "IOB1": "OO OI BO BI BB IO II IB Bi Ii >O >I O< B< I<",
    "BIOES": "OO OB OS EO EB ES SO SB SS BI BE II IE Eb Es Sb Ss >O >B >S O< E< S<",
    "IOE1": "OO OI OE IO II IE EI EE Ii Ie >O >I >E O< I<",
    "IOE2": "OO OI OE EO EI EE II IE Ei Ee >O >I >E O< E<",
    "IO": "OO OI IO II Ii >O >I O< I<",
}


@pytest.mark.parametrize("name", ALLOWED)
def test_transitions_are_those_of_the_scheme(name: str) -> None:
    found = make(name, ["x", "y"])
    at = {
        p.lower() if kind == "y" else p: i for i, (p, kind) in enumerate(zip(found.prefixes, found.types, strict=True))
    }
    at["O"] = at.get("o", at["O"])
    own = {key: i for key, i in at.items() if key.isupper()}
    got = {p + q for p in own for q in at if (q != "o") and found.transition[own[p], at[q]]}
    got |= {">" + p for p in own if found.start[own[p]]} | {p + "<" for p in own if found.end[own[p]]}
    expected = set(ALLOWED[name].split())
    expected |= {pair for pair in got if pair[0] == "O" and pair[1].islower()}
    assert {pair for pair in got if not (pair[0] == "O" and pair[1].islower())} == {
        pair for pair in expected if not (pair[0] == "O" and pair[1].islower())
    }


@pytest.mark.parametrize("name", [name for name in schemes.FAMILIES if name != "plain"])
@given(data=st.data())
def test_spans_to_tags_and_back(name: str, data: st.DataObject) -> None:
    found = make(name, ["A", "B"])
    edges = sorted(data.draw(st.sets(st.integers(0, 12), max_size=8)))
    spans: list[tuple[int, int, str]] = []
    for start, end in itertools.pairwise(edges):
        kind = data.draw(st.sampled_from(["", "A", "B"]))
        touches = bool(spans) and spans[-1][1] == start and spans[-1][2] == kind
        if kind and not (name == "IO" and touches):
            spans.append((start, end, kind))
    path = tags_of(found, spans, 12)
    assert spans_of(found, path) == spans
    assert found.start[path[0]]
    assert found.end[path[-1]]
    assert all(found.transition[p, q] for p, q in itertools.pairwise(path))


@pytest.mark.parametrize("source", ["IOB1", "IOB2", "IOE1", "IOE2", "BIOES", "BIOE"])
@pytest.mark.parametrize("target", ["IOB1", "IOB2", "IOE1", "IOE2", "BIOES", "BIOE"])
def test_schemes_convert_into_each_other(source: str, target: str) -> None:
    spans = [(0, 1, "A"), (1, 3, "A"), (3, 6, "B"), (7, 8, "B"), (8, 9, "A")]
    first, second = make(source, ["A", "B"]), make(target, ["A", "B"])
    assert spans_of(second, tags_of(second, spans_of(first, tags_of(first, spans, 10)), 10)) == spans


@pytest.mark.parametrize("labels", [["O", "B-A", "S-A", "B-C", "E-C"], ["O", "E-A", "B-C", "I-C", "E-C", "S-C"]])
def test_every_label_stays_usable_where_members_are_missing(labels: list[str]) -> None:
    found = read(labels)
    inner = found.transition | np.eye(len(labels), dtype=bool)
    reach = np.linalg.matrix_power(inner.astype(int), len(labels)) > 0
    assert (found.start[:, None] & reach).any(axis=0).all()
    assert (found.end[None, :] & reach).any(axis=1).all()


@pytest.mark.parametrize("name", ["BIO", "iob2", "Bilou", "BMEWO"])
def test_a_scheme_goes_by_any_of_its_names(name: str) -> None:
    assert schemes.find(name).name in ("IOB2", "BIOES")


def test_a_named_scheme_overrules_the_reading() -> None:
    assert read(["O", "B-A", "I-A"], "IOB1").name == "IOB1"
    assert read(["O", "B-A", "I-A"], "plain").types == ("", "B-A", "I-A")


def test_io_makes_runs_of_labels_that_would_be_one_a_word() -> None:
    found = read(["LABEL_0", "LABEL_1"], "IO")
    assert spans_of(found, [0, 0, 1, 1, 0]) == [(0, 2, "LABEL_0"), (2, 4, "LABEL_1"), (4, 5, "LABEL_0")]


def test_types_without_prefixes_beside_others_are_runs_of_words() -> None:
    for name, labels in (("IOB2", ["B-A", "I-A"]), ("BIOES", ["B-A", "I-A", "E-A", "S-A"])):
        found = read(["O", *labels, "PHONE", "EMAIL"])
        phone, mail = len(labels) + 1, len(labels) + 2
        assert found.name == name
        path = [phone, phone, mail, 0, phone]
        assert spans_of(found, path) == [(0, 2, "PHONE"), (2, 3, "EMAIL"), (4, 5, "PHONE")]
        assert all(found.transition[p, q] for p, q in itertools.pairwise(path))
        assert found.start[phone]
        assert found.end[phone]


def test_an_unknown_scheme_is_one_line_with_the_names() -> None:
    with pytest.raises(SettingError, match="BILOU") as caught:
        schemes.find("bioul2")
    assert "\n" not in str(caught.value)


def test_a_scheme_that_the_labels_contradict_is_refused() -> None:
    with pytest.raises(SettingError, match="prefixes"):
        read(["O", "B-A", "I-A", "E-A", "S-A"], "BIO")


def test_describe_names_scheme_and_types() -> None:
    assert "IOB2" in read(["O", "B-PER", "I-PER"]).describe()
    assert "PER" in read(["O", "B-PER", "I-PER"]).describe()

"""CoNLL and CoNLL-U: sentences as records, whatever separates the columns, and a bad one costs itself alone."""

from __future__ import annotations

import random

import conllu
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.files.rows import decode
from vtag.files.records import Bad, Record

TOKEN = st.text(st.characters(exclude_categories=["Cs", "Cc", "Z"]), min_size=1, max_size=8)


def fields(name: str, data: str) -> list[dict[str, object]]:
    found = decode(name, data.encode())
    assert all(isinstance(item, Record) for item in found)
    return [dict(item.fields) for item in found if isinstance(item, Record)]


def test_the_columns_of_conll_2003_are_lists_and_documents_are_left_out() -> None:
    data = "-DOCSTART- -X- -X- O\n\nEU NNP B-NP B-ORG\nrejects VBZ B-VP O\n\n\n"
    data += "-DOCSTART- -X- O O\n\nPeter NNP B-NP B-PER\n"
    assert fields("conll", data) == [
        {
            "text": "EU rejects",
            "tokens": ["EU", "rejects"],
            "column 2": ["NNP", "VBZ"],
            "column 3": ["B-NP", "B-VP"],
            "tags": ["B-ORG", "O"],
        },
        {"text": "Peter", "tokens": ["Peter"], "column 2": ["NNP"], "column 3": ["B-NP"], "tags": ["B-PER"]},
    ]


@pytest.mark.parametrize(
    ("data", "tokens"),
    [
        ("a\tO\nb\tB-X\n\nc\tO", [["a", "b"], ["c"]]),
        ("a   O\r\nb O\r\n\r\n \t\r\nc O\r\n", [["a", "b"], ["c"]]),
        ("\ufeffa O\n\nb O\n", [["a"], ["b"]]),
        ("# id 12 domain=en\na _ _ O\n\n# sent_id = 2\nb _ _ O\n", [["a"], ["b"]]),
        ("# 4 of them\n# O\na O\n", [["#", "a"]]),
        ("#tag O\n# O\n", [["#tag", "#"]]),
        ("New York\tB-LOC\n", [["New York"]]),
        ("10\u00a0000 O\n", [["10\u00a0000"]]),
        ("a\n\nb\nc\n", [["a"], ["b", "c"]]),
        ("", []),
        ("\n\n", []),
    ],
)
def test_tabs_spaces_comments_and_ends_of_lines(data: str, tokens: list[list[str]]) -> None:
    assert [row["tokens"] for row in fields("conll", data)] == tokens


@given(st.lists(st.lists(st.tuples(TOKEN, st.sampled_from(["O", "B-X", "I-X"])), min_size=1), max_size=4))
def test_any_tokens_are_read_as_they_were_written(sentences: list[list[tuple[str, str]]]) -> None:
    # what begins like a comment is one; the format has no way to quote it
    sentences = [[(token.replace("#", "_"), tag) for token, tag in one] for one in sentences]
    data = "\n\n".join("\n".join(f"{token}\t{tag}" for token, tag in sentence) for sentence in sentences)
    found = fields("conll", data)
    assert [list(zip(row["tokens"], row["tags"], strict=True)) for row in found] == sentences  # type: ignore[call-overload]


@pytest.mark.parametrize(
    ("name", "data", "reason"),
    [
        ("conll", b"a O\n\nb\n\nc O\n", "conll_columns"),
        ("conll", b"a O\n\nb X O\n\nc O\n", "conll_columns"),
        ("conll", b"a O\n\n\xff O\n\nc O\n", "not_utf8"),
        ("conllu", b"1\ta\n", "conllu_columns"),
        ("conllu", b"a b c\n", "conllu_columns"),
        ("conllu", b"1\t\t_\t_\t_\t_\t_\t_\t_\t_\n", "not_conllu"),
        ("conllu", b"x\ta\t_\t_\t_\t_\t_\t_\t_\t_\n", "not_conllu"),
        ("conllu", b"# only a comment\n", "not_conllu"),
        ("conllu", b"1\t\xff\t_\t_\t_\t_\t_\t_\t_\t_\n", "not_utf8"),
    ],
)
def test_a_bad_sentence_says_why_and_the_others_are_read(name: str, data: bytes, reason: str) -> None:
    if name == "conllu":
        good = b"1\tb\t_\tX\t_\t_\t_\t_\t_\t_\n"
        data = good + b"\n" + data + b"\n" + good
    found = decode(name, data)
    assert [item.reason if isinstance(item, Bad) else None for item in found] == [None, reason, None]
    assert [item.number for item in found] == [1, 2, 3]


UD = """# sent_id = fr-1
# text = Du pain, don't !
1-2\tDu\t_\t_\t_\t_\t_\t_\t_\t_
1\tDe\tde\tADP\tP\t_\t3\tcase\t_\t_
2\tle\tle\tDET\tD\t_\t3\tdet\t_\tNER=O
3\tpain\tpain\tNOUN\tN\t_\t0\troot\t_\tSpaceAfter=No|NER=B-FOOD
4\t,\t,\tPUNCT\t_\t_\t3\tpunct\t_\t_
5-6\tdon't\t_\t_\t_\t_\t_\t_\t_\t_
5\tdo\tdo\tAUX\t_\t_\t3\taux\t_\tner=S-X
6\tn't\tnot\tPART\t_\t_\t3\tadvmod\t_\t_
6.1\tgo\tgo\tVERB\t_\t_\t_\t_\t_\t_
7\t!\t!\tPUNCT\t_\t_\t3\tpunct\t_\t_
"""


def test_multiword_tokens_empty_nodes_and_entities_of_conllu() -> None:
    (row,) = fields("conllu", UD)
    assert row["id"] == "fr-1"
    assert row["text"] == "Du pain, don't !"
    assert row["tokens"] == ["De", "le", "pain", ",", "do", "n't", "!"]
    assert row["tags"] == ["ADP", "DET", "NOUN", "PUNCT", "AUX", "PART", "PUNCT"]
    assert row["xpos"] == ["P", "D", "N", "_", "_", "_", "_"]
    assert row["ner"] == ["O", "O", "B-FOOD", "O", "S-X", "O", "O"]
    offsets = row["offsets"]
    assert isinstance(offsets, list)
    text = str(row["text"])
    assert [text[a:b] for a, b in offsets] == ["Du", "Du", "pain", ",", "do", "n't", "!"]


def test_the_text_of_a_comment_has_the_spaces_and_offsets_follow_it() -> None:
    data = "# text = a  b\n1\ta\t_\tX\t_\t_\t_\t_\t_\t_\n2\tb\t_\tX\t_\t_\t_\t_\t_\t_\n"
    (row,) = fields("conllu", data)
    assert (row["text"], row["offsets"]) == ("a  b", [[0, 1], [3, 4]])
    (row,) = fields("conllu", data.replace("a  b", "something else"))
    assert (row["text"], row["offsets"]) == ("a b", [[0, 1], [2, 3]])


def test_random_sentences_have_the_words_and_tags_that_conllu_reads() -> None:
    chance = random.Random(5)
    lines: list[str] = []
    for _ in range(200):
        for at in range(1, chance.randint(2, 9)):
            misc = chance.choice(["_", "SpaceAfter=No", "NER=B-X", "SpaceAfter=No|NER=I-X"])
            columns = [str(at), chance.choice("aé東#"), "_", chance.choice(["NOUN", "VERB"]), *"_____", misc]
            lines.append("\t".join(columns))
        lines.append("")
    data = "\n".join(lines) + "\n"
    found, wanted = fields("conllu", data), conllu.parse(data)
    assert len(found) == len(wanted) == 200
    for row, sentence in zip(found, wanted, strict=True):
        assert row["tokens"] == [token["form"] for token in sentence]
        assert row["tags"] == [token["upos"] for token in sentence]
        assert isinstance(row["offsets"], list)
        assert [str(row["text"])[a:b] for a, b in row["offsets"]] == row["tokens"]

"""What holds for every span of the default strategy, with real tokenizers and any logits."""

from __future__ import annotations

import itertools
import random
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from itertools import accumulate
from typing import Any

import numpy as np
import pytest

from tests.decode.schemes import make
from tests.tagging import finish, prepare
from vtag.decode import scheme as schemes
from vtag.decode import spans
from vtag.decode.graphemes import clusters
from vtag.decode.scores import sigmoid, softmax
from vtag.options import TagOptions
from vtag.tagger import Tagger
from vtag.types import Encoding, Span, Window

NAMES = [name for name in schemes.FAMILIES if name != "plain"]


def draw(windows: Sequence[Window], labels: int, seed: int) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [(rng.normal(size=(len(window.ids), labels)) * 3).astype(np.float32) for window in windows]


def tag(
    tokenizer: Any, id2label: dict[int, str], texts: Any, limit: int = 10**6, *, seed: int = 0, **options: Any
) -> tuple[list[list[Span]], Sequence[Encoding]]:
    tagger = Tagger(tokenizer, id2label, limit, **options)
    split = bool(texts) and not isinstance(texts[0], str)
    batch = prepare(tagger, **({"words": texts} if split else {"texts": texts}))
    return finish(tagger, batch, draw(batch.windows, len(id2label), seed)), batch.encodings


def check(found: list[list[Span]], encodings: Sequence[Encoding]) -> None:
    for row, encoding in zip(found, encodings, strict=True):
        for span in row:
            assert span.text == encoding.text[span.start : span.end]
            assert span.text.strip() == span.text != ""
            assert 0 <= span.score <= 1
        assert all(one.end <= other.start for one, other in itertools.pairwise(row))


@pytest.mark.parametrize("words", ["mean", "first", "token"])
@pytest.mark.parametrize("name", [*NAMES, "plain"])
def test_spans_are_slices_sorted_and_apart(family: Any, make_text: Callable[..., str], name: str, words: str) -> None:
    random_ = random.Random(name + words)
    texts = [make_text(random_) for _ in range(60)]
    labels = dict(enumerate(make(name, ["A", "B"]).labels))
    for limit in (10**6, 24):
        found, encodings = tag(family, labels, texts, limit, scheme=name, words=words)
        check(found, encodings)
        assert any(found)


@pytest.mark.parametrize("name", ["IOB2", "BIOES", "plain"])
def test_windows_that_agree_decode_as_one(family: Any, make_text: Callable[..., str], name: str) -> None:
    random_ = random.Random(5)
    text = " ".join(make_text(random_) for _ in range(12))
    labels = dict(enumerate(make(name, ["A", "B"]).labels))
    whole, cut = Tagger(family, labels, 10**6), Tagger(family, labels, 40)
    one = prepare(whole, [text])
    rows = draw(one.windows, len(labels), 1)[0]
    many = prepare(cut, [text])
    assert len(many.windows) > 3
    logits = []
    for window in many.windows:
        own = np.zeros((len(window.ids), len(labels)), np.float32)
        own[window.prefix : window.prefix + window.end - window.start] = rows[window.start : window.end]
        logits.append(own)
    expected, found = finish(whole, one, [rows])[0], finish(cut, many, logits)[0]
    assert [span.to_tuple() for span in found] == [span.to_tuple() for span in expected]
    assert np.allclose([span.score for span in found], [span.score for span in expected], atol=1e-5)


def test_plain_labels_give_one_span_a_word(family: Any) -> None:
    texts = [["Jean-Pierre", "works", "in", "São Paulo", "."]]
    found, encodings = tag(family, {0: "NOUN", 1: "VERB", 2: "X"}, texts)
    check(found, encodings)
    assert [span.words for span in found[0]] == [(at, at + 1) for at in range(5)]
    assert [span.text for span in found[0]] == texts[0]


def test_spans_of_given_words_name_them(family: Any, make_word: Callable[..., str]) -> None:
    random_ = random.Random(2)
    texts = [[make_word(random_) for _ in range(9)] for _ in range(40)]
    labels = dict(enumerate(make("BIOES", ["A", "B"]).labels))
    found, encodings = tag(family, labels, texts)
    check(found, encodings)
    for row, encoding in zip(found, encodings, strict=True):
        assert encoding.words is not None
        for span in row:
            assert span.words is not None
            first, end = span.words
            assert encoding.words[first, 0] <= span.start < span.end <= encoding.words[end - 1, 1]


def test_the_score_is_how_probable_the_type_is_in_the_mean_of_the_words(family: Any) -> None:
    encoding = prepare(Tagger(family, {0: "O", 1: "B-A", 2: "I-A"}, 10**6), ["visited the number"]).encodings[0]
    words = encoding.word_ids
    chances = np.full((len(words), 3), [0.9, 0.05, 0.05], np.float32)
    chances[words == words.max() - 1] = [0.2, 0.7, 0.1]
    chances[words == words.max()] = [0.1, 0.0, 0.9]
    found = spans.decode([encoding], [chances], make("IOB2", ["A"]))[0]
    assert [span.text for span in found] == ["the number"]
    assert found[0].score == pytest.approx((0.8 + 0.9) / 2)


def test_a_type_named_o_is_a_type(family: Any) -> None:
    scheme = schemes.read(dict(enumerate(["O", "B-O", "I-O", "B-A"])))
    encoding = Tagger(family, dict(enumerate(scheme.labels)), 10**6).prepare(["visited the number"]).encodings[0]
    chances = np.eye(4, dtype=np.float32)[np.clip(encoding.word_ids, 0, 2)]
    assert [span.to_tuple() for span in spans.decode([encoding], [chances], scheme)[0]] == [(8, 18, "O")]


def test_a_head_with_one_label_scores_by_the_sigmoid(family: Any) -> None:
    tagger = Tagger(family, {0: "KEEP"}, 10**6)
    batch = prepare(tagger, "visited the number")
    logits = np.array([[5.5, -5.5, 0.0][max(word, 0)] for word in batch.encodings[0].word_ids.tolist()], np.float32)
    assert [(span.text, round(span.score, 3)) for span in finish(tagger, batch, [logits[:, None]])[0]] == [
        ("visited", 0.996),
        ("the", 0.004),
        ("number", 0.5),
    ]
    assert [span.text for span in finish(tagger, batch, [logits[:, None]], threshold=0.5)[0]] == ["visited", "number"]
    assert (tagger.probabilities(batch, [logits[:, None]])[0].max() < 1).all()


def test_ignored_types_leave_the_others_as_they_were(family: Any, make_text: Callable[..., str]) -> None:
    random_ = random.Random(9)
    scheme = make("IOB2", ["A", "B"])
    tagger = Tagger(family, dict(enumerate(scheme.labels)), 10**6)
    batch = prepare(tagger, [make_text(random_) for _ in range(30)])
    logits = draw(batch.windows, len(scheme.labels), 4)
    everything = finish(tagger, batch, logits)
    fewer = finish(tagger, batch, logits, ignore_labels=("O", "A"))
    assert fewer == [[span for span in row if span.label != "A"] for row in everything]


@pytest.mark.parametrize("labels", [["PER", "ORG"], ["O", "B-PER", "I-PER", "B-ORG", "I-ORG"]])
def test_labels_that_do_not_exclude_each_other_may_overlap(family: Any, labels: list[str]) -> None:
    scheme = schemes.read(dict(enumerate(labels)))
    encoding = Tagger(family, dict(enumerate(labels)), 10**6).prepare(["visited the number"]).encodings[0]
    logits = np.full((len(encoding.ids), len(labels)), -9, np.float32)
    inside = [at for at, label in enumerate(labels) if label in ("PER", "ORG", "I-PER", "I-ORG")]
    logits[:, inside] = 9
    first = np.flatnonzero(encoding.word_ids == 0)
    if "O" in labels:
        logits[first[:, None], inside] = -9
        logits[first[:, None], [labels.index("B-PER"), labels.index("B-ORG")]] = 9
    found = spans.decode([encoding], [sigmoid(logits)], scheme, multi_label=True)[0]
    assert sorted(span.to_tuple() for span in found) == [(0, 18, "ORG"), (0, 18, "PER")]


@pytest.mark.parametrize("text", ["", " \n"])
def test_texts_without_words_have_no_spans(family: Any, text: str) -> None:
    found, _ = tag(family, {0: "B-A", 1: "I-A", 2: "O"}, [text, "the number"])
    assert found[0] == []


def test_no_texts_no_spans() -> None:
    assert spans.decode([], [], make("IOB2", ["A"])) == []


def test_probabilities_of_logits_that_are_no_numbers() -> None:
    logits = np.array([[np.nan, 1, 2], [np.inf, 0, 0], [-np.inf, -np.inf, -np.inf]], np.float32)
    assert np.allclose(softmax(logits).sum(axis=1), 1)
    assert softmax(logits)[1, 0] == 1
    assert np.isfinite(sigmoid(logits)).all()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("mail ann.smith@example.com now", ["ann.smith@example.com"]),
        ("ann smith", ["ann", "smith"]),  # white space parts them
        ("張三李四", ["張", "三", "李", "四"]),  # so do scripts without spaces, where names do meet
    ],
)
def test_a_model_that_opens_anew_at_every_piece_does_not_cut_at_points(text: str, expected: list[str]) -> None:
    tokenizer = bert_of_characters(text)
    tagger = Tagger(tokenizer, {0: "O", 1: "B-X", 2: "I-X"}, 64)
    batch = prepare(tagger, text)
    opens = np.array([[9.0, 0, 0] if piece in ("mail", "now") else [0, 9.0, 0] for piece in pieces_of(tagger, batch)])
    (found,) = finish(tagger, batch, [opens.astype(np.float32)])
    assert [span.text for span in found] == expected


def pieces_of(tagger: Tagger, batch: Any) -> list[str]:
    return tagger.token_strings(batch.encodings[0])


def bert_of_characters(text: str) -> Any:
    """A WordPiece tokenizer that knows the words of `text`."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    words = [word for word, _ in pre_tokenizers.BertPreTokenizer().pre_tokenize_str(" ".join(text) + " " + text)]
    backend = Tokenizer(models.WordPiece({word: i for i, word in enumerate(["[UNK]", *dict.fromkeys(words)])}))
    backend.normalizer = normalizers.BertNormalizer()
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    return PreTrainedTokenizerFast(tokenizer_object=backend, unk_token="[UNK]")


@pytest.mark.parametrize("multi_label", [False, True], ids=["one label", "many labels"])
@pytest.mark.parametrize("name", [*NAMES, "plain"])
def test_with_a_threshold_for_each_word_none_that_reaches_it_is_left_out(
    family: Any, make_text: Callable[..., str], name: str, multi_label: bool
) -> None:
    """Nor is a span of the best path that reaches it; and nothing else is in a span."""
    random_ = random.Random(f"{name} each word")
    texts = [make_text(random_) for _ in range(40)]
    labels = dict(enumerate(make(name, ["A", "B"]).labels))
    tagger = Tagger(family, labels, 10**6, scheme=name, words="token", multi_label=multi_label)
    batch = prepare(tagger, texts)
    logits = draw(batch.windows, len(labels), 7)
    best = finish(tagger, batch, logits)
    chances = tagger.probabilities(batch, logits)
    before: list[set[int]] = [set() for _ in texts]
    for threshold in ({"*": 0.9}, {"A": 0.6, "*": 0.9}, {"A": 0.3, "*": 0.4}, {"*": 0.05}):
        options = TagOptions(threshold=threshold, each_word=True)
        found = finish(tagger, replace(batch, options=tagger.bind(options)), logits)
        for text, encoding in enumerate(batch.encodings):
            assert encoding.offsets is not None
            wanted = places(span for span in best[text] if span.score >= options.least(span.label))
            # Tokens that share a character, or a cluster of them, are decoded together; some characters have none.
            tokens = Counter(at for start, end in encoding.offsets.tolist() for at in range(start, end))
            edges = {int(edge) for edge in encoding.offsets.ravel()}
            aside = {at for at, sign in enumerate(encoding.text) if tokens[at] != 1 or sign.isspace()}
            for kind in ("A", "B"):
                of_kind = chances[text][:, [label for label, spelled in labels.items() if spelled.endswith(kind)]]
                likely = of_kind.sum(axis=1) >= options.least(kind)
                if not multi_label:
                    wanted |= places(encoding.offsets[likely & ~encoding.special].tolist())
            covered = places(found[text])
            if max(tokens.values(), default=0) < 2 and edges <= {0, *accumulate(map(len, clusters(encoding.text)))}:
                assert wanted - aside <= covered
                assert multi_label or covered <= wanted | aside
            assert before[text] - aside <= covered
            before[text] = covered
    assert sum(map(len, before)) > sum(len(places(row)) for row in best) or name == "plain"


def places(ranges: Iterable[Any]) -> set[int]:
    """The characters in some spans, or ranges."""
    pairs = ((each.start, each.end) if isinstance(each, Span) else each for each in ranges)
    return {at for start, end in pairs for at in range(start, end)}

"""Tagger's two halves: what goes to the engine, and what comes of its logits."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import ByT5Tokenizer, CanineTokenizer, PreTrainedTokenizerFast

from tests.tagging import finish, prepare
from vtag.errors import InputError, SettingError
from vtag.options import STRATEGIES, TagOptions
from vtag.tagger import Batch, Tagger

LABELS = {0: "O", 1: "B-PER", 2: "I-PER"}


def logits_for(batch: Batch, label_of_id: dict[int, int], labels: int = 3) -> list[np.ndarray]:
    """Logits that give each token the label its id has, "O" by default: the same in every window."""
    result = []
    for window in batch.windows:
        label = [label_of_id.get(token, 0) for token in window.ids.tolist()]
        result.append((6 * np.eye(labels)[label]).astype(np.float32))
    return result


@pytest.fixture
def tokenizer(make_tokenizer: Any) -> Any:
    return make_tokenizer("wordpiece")


def test_spans_are_slices_of_the_callers_string(tokenizer: Any) -> None:
    tagger = Tagger(tokenizer, LABELS, 64)
    texts = ["said John\n", "", "JOHN and São Smith!"]
    batch = prepare(tagger, texts)
    ids = tokenizer.convert_tokens_to_ids(["john", "smith"])
    for strategy in STRATEGIES:
        found = finish(tagger, batch, logits_for(batch, dict.fromkeys(ids, 1)), aggregation_strategy=strategy)
        assert [[span.text for span in spans] for spans in found] == [["John"], [], ["JOHN", "Smith"]]
        for text, spans in zip(texts, found, strict=True):
            assert all(span.text == text[span.start : span.end] for span in spans)


def test_a_single_text_is_a_batch_of_one(tokenizer: Any) -> None:
    assert len(prepare(Tagger(tokenizer, LABELS, 64), "John").encodings) == 1


def test_no_texts_give_no_windows_and_no_spans(tokenizer: Any) -> None:
    tagger = Tagger(tokenizer, LABELS, 64)
    batch = prepare(tagger, [])
    assert batch.windows == ()
    assert finish(tagger, batch, []) == []
    assert tagger.rows(batch, []) == []


def test_rows_of_a_text_of_one_window_are_its_logits(tokenizer: Any) -> None:
    tagger = Tagger(tokenizer, LABELS, 64)
    batch = tagger.prepare_prompts(["John said", ""])
    logits = logits_for(batch, {})
    for row, own in zip(tagger.rows(batch, logits), logits, strict=True):
        assert row is own or np.array_equal(row, own)


@pytest.mark.parametrize("causal", [False, True])
def test_rows_of_a_long_text_are_one_for_each_of_its_tokens(tokenizer: Any, causal: bool) -> None:
    tagger = Tagger(tokenizer, LABELS, 16, causal=causal)
    batch = tagger.prepare_prompts(["a of John " * 40])
    john = tokenizer.convert_tokens_to_ids("john")
    (rows,) = tagger.rows(batch, logits_for(batch, {john: 1}))
    assert len(batch.windows) > 5
    assert rows.dtype == np.float32
    assert rows.argmax(axis=1).tolist() == [int(token == john) for token in batch.encodings[0].ids]


def test_an_empty_text_without_special_tokens_has_no_window_and_no_rows(make_tokenizer: Any) -> None:
    tokenizer = make_tokenizer("byte_bpe")
    tokenizer.backend_tokenizer.post_processor = None
    tagger = Tagger(tokenizer, LABELS, 64)
    batch = prepare(tagger, ["", "a"])
    logits = logits_for(batch, {})
    assert [window.text for window in batch.windows] == [1]
    assert tagger.rows(batch, logits)[0].shape == (0, 3)
    assert finish(tagger, batch, logits) == [[], []]


def test_words_come_back_as_word_indices(tokenizer: Any) -> None:
    tagger = Tagger(tokenizer, LABELS, 64)
    john, smith = tokenizer.convert_tokens_to_ids(["john", "smith"])
    split = ["of", "John", "Smith", "a"]
    given: list[Any] = [[split], split, np.array([split])]
    for words in given:
        batch = prepare(tagger, words=words, delimiter=" ")
        ((span,),) = finish(tagger, batch, logits_for(batch, {john: 1, smith: 2}))
        assert (span.words, span.text, span.start) == ((1, 3), "John Smith", 3)


def test_spans_under_the_threshold_are_dropped(tokenizer: Any) -> None:
    tagger = Tagger(tokenizer, LABELS, 64)
    batch = prepare(tagger, ["John"])
    logits = logits_for(batch, {tokenizer.convert_tokens_to_ids("john"): 1})
    score = finish(tagger, batch, logits)[0][0].score
    thresholds: list[Any] = [
        0,
        np.float32(0.5),
        score,
        1,
        {"PER": 1.0},
        {"O": 1.0},
        {"*": 1.0},
        {"PER": 0.5, "*": 1.0},
    ]
    counts = {repr(threshold): len(finish(tagger, batch, logits, threshold=threshold)[0]) for threshold in thresholds}
    assert list(counts.values()) == [1, 1, 1, 0, 0, 1, 0, 1]


def test_labels_to_ignore_may_be_a_single_string(tokenizer: Any) -> None:
    tagger = Tagger(tokenizer, LABELS, 64)
    batch = prepare(tagger, ["John a"], aggregation_strategy="first")
    assert [span.label for span in finish(tagger, batch, logits_for(batch, {}), ignore_labels="PER")[0]] == ["O"]


def test_mistakes_are_one_line_each(tokenizer: Any) -> None:
    tagger = Tagger(tokenizer, LABELS, 64)
    batch = prepare(tagger, ["John"])
    logits = logits_for(batch, {})
    cases: list[tuple[Any, type[Exception], str]] = [
        (lambda: prepare(tagger, ["a", 3]), InputError, "text 1 is int, not a string"),
        (lambda: prepare(tagger), InputError, "pass either texts or words"),
        (lambda: prepare(tagger, words=[["a"], "b"]), InputError, r"words\[1\] is not a list of strings"),
        (lambda: prepare(tagger, words=[["a"], None]), InputError, r"words\[1\] is not a list of strings"),
        (lambda: prepare(tagger, words=[["a", 3]]), InputError, r"words\[0\] is not a list of strings"),
        (
            lambda: prepare(tagger, ["a"], aggregation_strategy="best"),
            SettingError,
            "choose one of viterbi, none, simple",
        ),
        (
            lambda: finish(tagger, batch, logits, aggregation_strategy="best"),
            SettingError,
            "choose one of viterbi, none, simple",
        ),
        (lambda: finish(tagger, batch, logits, threshold=2), SettingError, "threshold must be from 0 to 1"),
        (
            lambda: prepare(tagger, ["a"], stride=3, aggregation_strategy="none"),
            SettingError,
            "stride is not supported with",
        ),
        (lambda: prepare(tagger, ["a" * 9], stride=64, aggregation_strategy="simple"), SettingError, "stride=64"),
        (
            lambda: prepare(Tagger(tokenizer, LABELS, 8), ["a b c d e f g h"], stride=6),
            SettingError,
            "from 0 to 5 tokens",
        ),
    ]
    for call, kind, message in cases:
        with pytest.raises(kind, match=message) as caught:
            call()
        assert "\n" not in str(caught.value)


def test_a_slow_tokenizer_that_spells_the_text_tags_it_and_one_that_does_not_names_words() -> None:
    canine = Tagger(CanineTokenizer(), LABELS, 64)
    batch = prepare(canine, ["a Jo"], aggregation_strategy="simple")
    ((span,),) = finish(canine, batch, logits_for(batch, {ord("J"): 1, ord("o"): 2}))
    assert span.text == "Jo"
    with pytest.raises(SettingError, match="first needs a fast tokenizer"):
        prepare(canine, ["a"], aggregation_strategy="first")
    with pytest.raises(SettingError, match="stride needs a fast tokenizer"):
        prepare(canine, ["a"], aggregation_strategy="simple", stride=3)
    byt5 = Tagger(ByT5Tokenizer(), LABELS, 64)
    with pytest.raises(InputError, match=r"text 1: .*pass words="):
        prepare(byt5, ["a", "é"], aggregation_strategy="simple")
    assert byt5.prepare_prompts(["é"]).encodings[0].offsets is None
    batch = prepare(byt5, words=[["é", "x"]], aggregation_strategy="simple")
    assert [span.words for span in finish(byt5, batch, logits_for(batch, {}), ignore_labels=())[0]] == [(0, 2)]


@pytest.mark.parametrize("strategy", ["viterbi", "simple"])
@pytest.mark.parametrize("stride", [-1, 62, 1000])
def test_a_stride_that_does_not_fit_is_said_at_the_first_text_though_it_is_short(
    tokenizer: Any, strategy: str, stride: int
) -> None:
    tagger = Tagger(tokenizer, {0: "O", 1: "B-X"}, 64)
    with pytest.raises(SettingError, match=rf"^stride={stride} does not fit: it must be from 0 to 61 tokens"):
        prepare(tagger, ["short"], stride=stride, aggregation_strategy=strategy)
    assert prepare(tagger, ["short"], stride=61, aggregation_strategy=strategy).windows


def test_half_a_surrogate_pair_is_one_line_that_tells_the_place_and_not_the_text(family: Any) -> None:
    for tokenizer, kind in ((family, "fast"), (CanineTokenizer(), "slow")):
        tagger = Tagger(tokenizer, LABELS, 64)
        for items, words in ((["fine", "ab\ud800c"], False), ([["x"], ["ab", "\ud800c"]], True)):
            errors = tagger.prepare(items, words=words).errors
            assert errors.keys() == {1}, kind
            message = str(errors[1])
            assert message.startswith("text 1 has a lone surrogate at character 2: ")
            assert "\n" not in message
            assert "ab" not in message.replace("character", "")


BAD: dict[bool, list[Any]] = {False: [7, "\ud800", None, b"a"], True: [["a", 7], "a", None, ["\udc00"]]}


@pytest.mark.parametrize("words", [False, True])
@pytest.mark.parametrize("stride", [None, 3])
@pytest.mark.parametrize("strategy", ["viterbi", "simple"])
def test_a_text_that_cannot_be_tagged_changes_nothing_of_its_neighbours(
    family: Any, make_text: Callable[..., str], strategy: str, stride: int | None, words: bool
) -> None:
    tagger = Tagger(family, LABELS, 12)
    options = tagger.bind(TagOptions(strategy, stride=stride))
    random_ = random.Random(f"{strategy} {stride} {words}")
    good = [text.split() if words else text for text in (make_text(random_) for _ in range(40))]
    places = dict(zip(sorted(random_.sample(range(44), 4)), BAD[words], strict=True))
    rest = iter(good)
    items = [places[at] if at in places else next(rest) for at in range(44)]

    def tagged(batch: Batch) -> list[Any]:
        drawn = [np.random.default_rng(len(w.ids)).normal(0, 4, (len(w.ids), 3)).astype("f4") for w in batch.windows]
        return tagger.finish(batch, drawn)

    batch = tagger.prepare(items, options, words=words, first=100)
    answers = tagged(batch)
    assert [answer for at, answer in enumerate(answers) if at not in places] == tagged(
        tagger.prepare(good, options, words=words)
    )
    assert [str(at + 100) in str(answers[at]) for at in places] == [True] * 4
    assert {at: answers[at] for at in places} == batch.errors
    assert all(isinstance(answers[at], InputError) for at in places)


@pytest.mark.parametrize("strategy", ["viterbi", "simple"])
@pytest.mark.parametrize("stride", [None, 3])
def test_batches_that_are_joined_give_what_each_gives(
    family: Any, make_text: Callable[..., str], strategy: str, stride: int | None
) -> None:
    tagger = Tagger(family, LABELS, 12)
    options = tagger.bind(TagOptions(strategy, stride=stride))
    random_ = random.Random(f"{strategy} {stride}")
    batches = [tagger.prepare([make_text(random_), 7, make_text(random_)], options) for _ in range(5)]
    drawn = [
        [np.random.default_rng(w.ids).normal(0, 4, (len(w.ids), 3)).astype("f4") for w in b.windows] for b in batches
    ]
    together = tagger.finish(Batch.joined(batches), [row for rows in drawn for row in rows])
    each = [answer for batch, rows in zip(batches, drawn, strict=True) for answer in tagger.finish(batch, rows)]
    assert together == each


def test_a_text_on_which_the_tokenizer_fails_fails_alone() -> None:
    """As tokenizers do that have no token for unknown words."""
    tokenizer = Tokenizer(models.WordLevel({"John": 0, "said": 1}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tagger = Tagger(PreTrainedTokenizerFast(tokenizer_object=tokenizer), LABELS, 64)
    for items, words in ((["John said", "secret", "said"], False), ([["John"], ["said", "secret"], ["said"]], True)):
        batch = tagger.prepare([*items, None], words=words, first=5)
        assert [window.text for window in batch.windows] == [0, 2]
        kinds = {1: "tokenizer_fails", 3: "not_words" if words else "not_a_string"}
        assert {text: failed.kind for text, failed in batch.errors.items()} == kinds
        assert str(batch.errors[1]).startswith("text 6: ")
        assert "secret" not in str(batch.errors[1])

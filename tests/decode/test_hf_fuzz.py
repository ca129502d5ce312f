"""Hugging Face's own TokenClassificationPipeline is the oracle: same texts, same logits, no difference allowed.

Only the network is replaced, by logits drawn at random, so that every label path occurs. VTAG_FUZZ multiplies the size.
"""

from __future__ import annotations

import os
import random
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from transformers import BertConfig, PreTrainedModel, PreTrainedTokenizerFast, TokenClassificationPipeline

from tests.tagging import finish, prepare
from vtag.decode.hf import HF_STRATEGIES
from vtag.tagger import Batch, Tagger
from vtag.types import Span

SCALE = int(os.environ.get("VTAG_FUZZ", "1"))
TYPES = ["PER", "LOC", "tax-percent"]
LABELS = {
    "bio": ["O", *(f"{p}-{t}" for p in "BI" for t in TYPES)],
    "bioes": ["O", *(f"{p}-{t}" for p in "BIES" for t in TYPES), "B-O"],
    "plain": ["NOUN", "VERB", "O", "tax-percent", "B_PER", "LABEL_5"],
    "one": ["KEEP"],
}
IGNORE = {"bio": ("O",), "bioes": (), "plain": ("O", "VERB", "percent"), "one": ("O",)}
SCHEMES = ["bio", "bioes", "plain"]
MakeText = Callable[..., str]


class BertForTokenClassification(PreTrainedModel):
    """Gives out the logits of `windows` one after another, and checks that it was asked for these very ids.

    The name is one that the pipeline knows.
    """

    config_class = BertConfig

    def __init__(self, config: BertConfig) -> None:
        super().__init__(config)
        self.dummy = torch.nn.Parameter(torch.zeros(1))
        self.windows: list[tuple[np.ndarray, np.ndarray]] = []

    def forward(self, input_ids: torch.Tensor, **_: Any) -> dict[str, torch.Tensor]:
        ids, logits = self.windows.pop(0)
        padding = input_ids.shape[1] - len(ids)
        assert input_ids[0, : len(ids)].tolist() == ids.tolist()
        return {"logits": torch.from_numpy(np.pad(logits, ((0, padding), (0, 0))))[None]}


def draw_logits(rng: np.random.Generator, tokens: int, labels: int) -> np.ndarray:
    """Float32 [tokens, labels]: noise around a path that stays or moves on, in some texts coarse enough for ties."""
    path = rng.integers(labels, size=tokens)
    stay = rng.random(tokens) < 0.4
    for i in np.flatnonzero(stay[1:]) + 1:
        path[i] = path[i - 1]
    logits = rng.normal(size=(tokens, labels)) + rng.choice([0.0, 2.0, 8.0]) * np.eye(labels)[path]
    return (np.round(logits) if rng.random() < 0.2 else logits).astype(np.float32)


def compare(
    tokenizer: PreTrainedTokenizerFast,
    scheme: str,
    strategy: str,
    texts: list[Any],
    *,
    split: bool = False,
    delimiter: str = " ",
    limit: int = 10**6,
    stride: int | None = None,
) -> int:
    """Run both on the same logits and compare; returns how many entities there were."""
    labels = LABELS[scheme]
    id2label = dict(enumerate(labels))
    tokenizer.model_max_length = limit
    tagger = Tagger(tokenizer, id2label, limit)
    inputs: dict[str, Any] = {"words": texts, "delimiter": delimiter} if split else {"texts": texts}
    batch = prepare(tagger, **inputs, stride=stride, aggregation_strategy=strategy)
    rng = np.random.default_rng(len(texts))
    logits = [draw_logits(rng, len(window.ids), len(labels)) for window in batch.windows]
    ours = finish(tagger, batch, logits, ignore_labels=IGNORE[scheme])

    model = BertForTokenClassification(BertConfig(id2label=id2label, hidden_size=4, num_hidden_layers=0))
    model.windows = [(window.ids, own) for window, own in zip(batch.windows, logits, strict=True)]
    options: dict[str, Any] = {} if stride is None else {"stride": stride}
    pipeline = TokenClassificationPipeline(
        model=model,
        tokenizer=tokenizer,
        aggregation_strategy=strategy,
        ignore_labels=list(IGNORE[scheme]),
        **options,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = pipeline(texts, **({"is_split_into_words": True, "delimiter": delimiter} if split else {}))
    assert not model.windows
    return sum(map(same_entities, ours, theirs, range(len(texts))))


def same_entities(ours: list[Span], theirs: list[dict[str, Any]], text: int) -> int:
    """Every field equal, and scores to 1e-6."""
    mine = [span.to_hf() for span in ours]
    assert [{**entity, "score": 0} for entity in mine] == [{**entity, "score": 0} for entity in theirs], f"text {text}"
    scores, wanted = ([float(entity["score"]) for entity in entities] for entities in (mine, theirs))
    assert np.allclose(scores, wanted, rtol=0, atol=1e-6), f"text {text}"
    return len(mine)


@pytest.mark.parametrize("strategy", HF_STRATEGIES)
def test_a_head_with_one_label_scores_as_hugging_face_has_it(
    family: PreTrainedTokenizerFast, make_text: MakeText, strategy: str
) -> None:
    random_ = random.Random(strategy)
    texts = [make_text(random_) for _ in range(50 * SCALE)]
    assert compare(family, "one", strategy, texts) > len(texts) / 2


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("strategy", HF_STRATEGIES)
def test_whole_texts_give_the_entities_of_hugging_face(
    family: PreTrainedTokenizerFast, make_text: MakeText, strategy: str, scheme: str
) -> None:
    random_ = random.Random(f"{strategy} {scheme}")
    texts = [make_text(random_) for _ in range(225 * SCALE)]
    assert compare(family, scheme, strategy, texts) > len(texts)


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("strategy", HF_STRATEGIES[1:])
def test_long_texts_under_stride_give_the_entities_of_hugging_face(
    family: PreTrainedTokenizerFast, make_text: MakeText, strategy: str, scheme: str
) -> None:
    random_ = random.Random(f"{strategy} {scheme} stride")
    for limit, stride in [(12, 4), (7, 0), (20, 15)]:
        texts = [make_text(random_, longest=30) for _ in range(12 * SCALE)]
        assert compare(family, scheme, strategy, texts, limit=limit, stride=stride) > len(texts)


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("strategy", HF_STRATEGIES)
def test_words_already_split_give_the_entities_of_hugging_face(
    family: PreTrainedTokenizerFast, make_word: MakeText, strategy: str, scheme: str
) -> None:
    random_ = random.Random(f"{strategy} {scheme} words")
    texts = [[make_word(random_) for _ in range(random_.randint(0, 15))] for _ in range(40 * SCALE)]
    delimiter = random_.choice([" ", "", " | "])
    assert compare(family, scheme, strategy, texts, split=True, delimiter=delimiter) > 0


def test_words_already_split_under_stride_give_the_entities_of_hugging_face(
    family: PreTrainedTokenizerFast, make_word: MakeText
) -> None:
    random_ = random.Random("words stride")
    for strategy in HF_STRATEGIES[1:]:
        texts = [[make_word(random_) for _ in range(random_.randint(0, 25))] for _ in range(20 * SCALE)]
        assert compare(family, "bio", strategy, texts, split=True, limit=14, stride=5) > len(texts)


def test_windows_counted_from_the_end_give_the_entities_of_hugging_face(
    family: PreTrainedTokenizerFast, make_text: MakeText
) -> None:
    random_ = random.Random("left")
    family.truncation_side = "left"
    try:
        texts = [make_text(random_, longest=30) for _ in range(20 * SCALE)]
        assert compare(family, "bio", "simple", texts, limit=12, stride=3) > len(texts)
    finally:
        family.truncation_side = "right"


def test_without_stride_nothing_is_cut_where_hugging_face_cuts_in_silence(family: PreTrainedTokenizerFast) -> None:
    family.model_max_length = 10
    tagger = Tagger(family, {0: "O", 1: "B-PER"}, 10)
    batch: Batch = prepare(tagger, ["a " * 60 + "John"], aggregation_strategy="simple")
    logits = [np.tile(np.array([0, 9], np.float32), (len(window.ids), 1)) for window in batch.windows]
    spans = finish(tagger, batch, logits)[0]
    assert len(batch.windows) > 1
    assert spans[-1].end == len(batch.encodings[0].text)

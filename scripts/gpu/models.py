"""Models of random weights with tokenizers made on the spot: a host without a network has no others.

What they compute is worth nothing, and takes as long as what trained ones compute.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers
from transformers import AutoConfig, AutoModelForTokenClassification, BertTokenizer, RobertaTokenizer

from vtag.bench.models import SHAPES
from vtag.bench.texts import TEXTS

TYPES = ("PERSON", "ORGANIZATION", "LOCATION", "DATE", "PHONE", "EMAIL", "ADDRESS", "CARD")
LABELS = ["O", *(f"{prefix}-{name}" for name in TYPES for prefix in "BI")]
# Of the embedding, as bert-base-uncased and roberta-base have them; the tokenizers know fewer.
VOCABULARY = {"bert": 30_522, "roberta": 50_265}
BERT = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
ROBERTA = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]


def texts() -> list[str]:
    """495 texts of a sentence or two, which come with vtag."""
    return [json.loads(line)["text"] for line in TEXTS.read_text("utf-8").splitlines()]


def build(model_type: str, shape: str, folder: Path, labels: list[str] = LABELS) -> Path:
    """A BERT or RoBERTa of a shape of `vtag bench`, in `folder`."""
    torch.manual_seed(0)
    config = AutoConfig.for_model(
        model_type,
        **SHAPES[shape],
        vocab_size=VOCABULARY[model_type],
        max_position_embeddings=514 if model_type == "roberta" else 512,
        id2label=dict(enumerate(labels)),
        label2id={label: i for i, label in enumerate(labels)},
    )
    model = AutoModelForTokenClassification.from_config(config)
    # As in real texts, most tokens have no label: logits have a deviation of 0.02 times the root of the size.
    model.classifier.bias.data[0] = 0.05 * config.hidden_size**0.5
    model.save_pretrained(folder)
    TOKENIZERS[model_type]().save_pretrained(folder)
    return folder


def wordpiece() -> Any:
    """BERT's tokenizer, its vocabulary made of the texts."""
    made = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    made.normalizer = normalizers.BertNormalizer()
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    made.train_from_iterator(texts(), trainers.WordPieceTrainer(vocab_size=8000, special_tokens=BERT))
    return BertTokenizer(vocab=made.get_vocab(), model_max_length=512)


def byte_pairs() -> Any:
    """RoBERTa's tokenizer, its vocabulary made of the texts."""
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=8000, special_tokens=ROBERTA, initial_alphabet=alphabet)
    made.train_from_iterator(texts(), trainer)
    model = json.loads(made.to_str())["model"]
    return RobertaTokenizer(
        vocab=model["vocab"], merges=[tuple(pair) for pair in model["merges"]], model_max_length=512
    )


TOKENIZERS = {"bert": wordpiece, "roberta": byte_pairs}

"""Small tokenizers built in code, with the special tokens of each family where the family puts them.

Every word of WORDS is exactly one token in all of them, so a text of any wanted number of tokens is easy to make.
"""

from __future__ import annotations

import json
import random
import string
from pathlib import Path
from typing import Any

import transformers
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, processors
from transformers import PreTrainedTokenizerBase, TokenizersBackend

WORDS = [
    "anna",
    "berlin",
    "called",
    "from",
    "paris",
    "about",
    "the",
    "new",
    "contract",
    "with",
    "smith",
    "and",
    "sons",
    "please",
    "send",
    "it",
    "to",
    "bob",
    "at",
    "acme",
    "before",
    "monday",
    "her",
    "number",
    "is",
    "not",
    "known",
    "yet",
    "but",
    "his",
    "mail",
    "was",
    "sent",
    "twice",
    "last",
    "year",
    "in",
    "london",
    "where",
    "john",
    "lives",
    "near",
    "a",
    "river",
]
BERT = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
ROBERTA = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
XLNET = ["<unk>", "<s>", "</s>", "<cls>", "<sep>", "<pad>", "<mask>", "<eod>", "<eop>"]
FUNNEL = ["<pad>", "<unk>", "<cls>", "<sep>", "<mask>", "<s>", "</s>"]
MPNET = ["<s>", "<pad>", "</s>", "[UNK]", "<mask>"]
ALBERT = ["<pad>", "<unk>", "[CLS]", "[SEP]", "[MASK]"]
BIG_BIRD = ["<pad>", "</s>", "<s>", "<unk>", "[CLS]", "[SEP]", "[MASK]"]
T5 = ["<pad>", "</s>", "<unk>"]
GEMMA = ["<pad>", "<eos>", "<bos>", "<unk>", "<mask>"]
AMINO = "LAGVSERTIDPKQNFYMHWC"
ESM = ["<cls>", "<pad>", "<eos>", "<unk>", *AMINO, "<null_1>", "<mask>"]


def wordpiece_vocab(specials: list[str]) -> dict[str, int]:
    letters = string.ascii_lowercase + string.digits + string.punctuation
    pieces = [*specials, *letters, *("##" + c for c in letters), *WORDS]
    return {piece: i for i, piece in enumerate(dict.fromkeys(pieces))}


def unigram_vocab(specials: list[str]) -> list[tuple[str, float]]:
    letters = ["▁", *string.ascii_letters, *string.digits, *string.punctuation]
    words = ["▁" + word for word in WORDS if len(word) > 1]
    one_letter = ["▁" + word for word in WORDS if len(word) == 1]
    pieces = [(piece, 0.0) for piece in specials]
    pieces += [(piece, -8.0 - i / 100) for i, piece in enumerate(letters)]
    pieces += [(piece, -4.0 - i / 100) for i, piece in enumerate(dict.fromkeys(words + one_letter))]
    return pieces


def byte_vocab(specials: list[str]) -> tuple[dict[str, int], list[tuple[str, str]]]:
    """Byte-level BPE whose merges build each " word" from the left."""
    merges: dict[tuple[str, str], None] = {}
    for word in WORDS:
        for i in range(len(word)):
            merges["Ġ" + word[:i], word[i]] = None
    pieces = [*specials, *sorted(pre_tokenizers.ByteLevel.alphabet()), *(a + b for a, b in merges)]
    return {piece: i for i, piece in enumerate(dict.fromkeys(pieces))}, list(merges)


def wordpiece(cls: str = "BertTokenizer", specials: list[str] = BERT) -> PreTrainedTokenizerBase:
    return getattr(transformers, cls)(vocab=wordpiece_vocab(specials))


def unigram(cls: str = "XLMRobertaTokenizer", specials: list[str] = ROBERTA, **kwargs: Any) -> PreTrainedTokenizerBase:
    return getattr(transformers, cls)(vocab=unigram_vocab(specials), **kwargs)


def bytes_bpe(cls: str = "RobertaTokenizer", specials: list[str] = ROBERTA) -> PreTrainedTokenizerBase:
    vocab, merges = byte_vocab(specials)
    return getattr(transformers, cls)(vocab=vocab, merges=merges, add_prefix_space=True)


def gemma() -> PreTrainedTokenizerBase:
    """Metaspace BPE, as the class has it, whose merges build each word from the left; <bos> first."""
    vocab = {piece: i for i, piece in enumerate(GEMMA)}
    merges: dict[tuple[str, str], None] = {}
    for word in WORDS:
        for i in range(1, len(word)):
            merges[word[:i], word[i]] = None
        merges[word, "▁"] = None
    for piece in ["▁", *string.printable.strip(), *(a + b for a, b in merges)]:
        vocab.setdefault(piece, len(vocab))
    return transformers.GemmaTokenizer(vocab=vocab, merges=list(merges))


def decoder(first: str | None = None) -> PreTrainedTokenizerBase:
    """A decoder's: byte-level BPE, no special tokens around the text, or only one before it."""
    vocab, merges = byte_vocab(["<pad>", "<bos>", "<eos>"])
    made = Tokenizer(models.BPE(vocab=vocab, merges=merges))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    made.decoder = decoders.ByteLevel()
    if first is not None:
        made.post_processor = processors.TemplateProcessing(
            single=f"{first} $A", special_tokens=[(first, vocab[first])]
        )
    names = {"pad_token": "<pad>", "bos_token": "<bos>", "eos_token": "<eos>"}
    return TokenizersBackend(
        tokenizer_object=made, **{key: AddedToken(value, special=True) for key, value in names.items()}
    )


def xlm() -> PreTrainedTokenizerBase:
    """<s> text </s> as XLM and FlauBERT have it; their own tokenizers need a package more."""
    vocab, merges = byte_vocab(["<s>", "</s>", "<pad>", "<unk>"])
    made = Tokenizer(models.BPE(vocab=vocab, merges=merges))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    made.decoder = decoders.ByteLevel()
    made.post_processor = processors.TemplateProcessing(single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 1)])
    return TokenizersBackend(
        tokenizer_object=made, bos_token="<s>", sep_token="</s>", pad_token="<pad>", unk_token="<unk>"
    )


def canine() -> PreTrainedTokenizerBase:
    return transformers.CanineTokenizer()


def esm(folder: Path) -> PreTrainedTokenizerBase:
    (folder / "vocab.txt").write_text("\n".join(ESM))
    return transformers.EsmTokenizer(str(folder / "vocab.txt"))


def roc_bert(folder: Path, kinds: int) -> PreTrainedTokenizerBase:
    """Each piece has a made-up shape and a made-up pronunciation."""
    vocab = list(wordpiece_vocab(BERT))
    (folder / "vocab.txt").write_text("\n".join(vocab))
    for name, step in ("word_shape", 3), ("word_pronunciation", 7):
        (folder / f"{name}.json").write_text(json.dumps({piece: i * step % kinds for i, piece in enumerate(vocab)}))
    files = [str(folder / name) for name in ("vocab.txt", "word_shape.json", "word_pronunciation.json")]
    return transformers.RoCBertTokenizer(*files)


def text_of(tokenizer: PreTrainedTokenizerBase, tokens: int, rng: random.Random, special: bool = True) -> str:
    """A text of exactly `tokens` tokens."""

    def count(text: str) -> int:
        return len(tokenizer(text, add_special_tokens=special)["input_ids"])

    if "Esm" in type(tokenizer).__name__ or "Canine" in type(tokenizer).__name__:
        glue, units = "", list(AMINO)
    else:
        glue, units = " ", [word for word in WORDS if count(f"a {word}") == count("a") + 1]
    # The first word may cost more tokens than the same word further on.
    text = ["A" if glue == "" else "a", *rng.choices(units, k=tokens)]
    excess = count(glue.join(text)) - tokens
    return glue.join(text[: len(text) - excess])

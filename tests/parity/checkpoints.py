"""A small random checkpoint for every model type that Hugging Face maps to a token classifier."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import CONFIG_MAPPING, AutoModelForTokenClassification, PreTrainedTokenizerBase

from tests.parity import tokenizers as toks
from vtag.compat.transformers_models import model_types

# Set where the model type's config has the name.
SMALL: dict[str, Any] = {
    "hidden_size": 32, "d_model": 32, "n_embd": 32, "dim": 32, "emb_dim": 32, "embedding_size": 32,
    "num_hidden_layers": 2, "n_layers": 2, "num_layers": 2, "n_layer": 2,
    "num_attention_heads": 4, "n_heads": 4, "n_head": 4, "num_heads": 4, "num_key_value_heads": 2, "head_dim": 8,
    "intermediate_size": 64, "hidden_dim": 64, "d_ff": 64, "d_inner": 64, "n_inner": 64, "d_kv": 8, "d_head": 8,
    "max_position_embeddings": 130, "n_positions": 130, "max_seq_len": 130,
    "num_experts": 4, "num_local_experts": 4, "n_routed_experts": 4, "num_experts_per_tok": 2,
    "moe_intermediate_size": 16, "shared_expert_intermediate_size": 16,
}  # fmt: skip
# Multi-head latent attention.
LATENT: dict[str, Any] = {
    "num_key_value_heads": 4, "kv_lora_rank": 16, "q_lora_rank": 16, "qk_rope_head_dim": 8, "v_head_dim": 8,
    "qk_nope_head_dim": 8, "head_dim": 8, "n_group": 1, "topk_group": 1, "first_k_dense_replace": 1,
}  # fmt: skip
# Three layers of linear attention to one of full attention, as released.
LINEAR: dict[str, Any] = {
    "num_hidden_layers": 4, "linear_key_head_dim": 8, "linear_value_head_dim": 8, "linear_num_key_heads": 2,
    "linear_num_value_heads": 4,
}  # fmt: skip
# A head size that vLLM's CPU attention takes.
WIDE: dict[str, Any] = {"hidden_size": 64, "num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 32}
SLIDING = {"sliding_window": 16}


@dataclass(frozen=True)
class Row:
    """What differs from SMALL, the tokenizer, and what the config nests."""

    tokenizer: Callable[..., PreTrainedTokenizerBase] = toks.decoder
    config: dict[str, Any] = field(default_factory=dict)
    parts: tuple[str, ...] = ()  # nested configs that are set instead of the outermost
    absent: tuple[str, ...] = ()
    longest: int = 130
    needs_folder: bool = False


WORDPIECE, BYTES, UNIGRAM = Row(toks.wordpiece), Row(toks.bytes_bpe), Row(toks.unigram)
PAD_OFFSET = Row(toks.bytes_bpe, longest=128)
PAD_OFFSET_UNIGRAM = Row(toks.unigram, longest=128)
BOS = Row(partial(toks.decoder, "<bos>"))
GEMMA = Row(toks.gemma)
DECODER = Row()

KNOWN: dict[str, Row] = {
    "albert": Row(partial(toks.unigram, "AlbertTokenizer", toks.ALBERT)),
    "apertus": BOS,
    "arcee": BOS,
    "axk1": Row(config=LATENT),
    "axk2": Row(config=LATENT | {"index_topk": 8, "index_head_dim": 16, "index_n_heads": 2, "gated_norm_rank": 4}),
    "bert": Row(toks.wordpiece, {"max_position_embeddings": 512}, longest=512),
    "big_bird": Row(
        partial(toks.unigram, "BigBirdTokenizer", toks.BIG_BIRD),
        {"block_size": 4, "num_random_blocks": 1, "max_position_embeddings": 256},
        longest=256,
    ),
    "biogpt": Row(partial(toks.decoder, "<eos>")),
    "bloom": DECODER,
    "camembert": PAD_OFFSET_UNIGRAM,
    "canine": Row(
        toks.canine,
        {"max_position_embeddings": 256, "local_transformer_stride": 16, "num_hash_buckets": 512},
        longest=256,
    ),
    "convbert": WORDPIECE,
    "data2vec-text": PAD_OFFSET,
    "deberta": Row(
        partial(toks.bytes_bpe, "DebertaTokenizer", ["[PAD]", "[CLS]", "[SEP]", "[UNK]", "[MASK]"]),
        {
            "relative_attention": True,
            "pos_att_type": ["c2p", "p2c"],
            "type_vocab_size": 0,
            "position_biased_input": False,
        },
    ),
    "deberta-v2": Row(
        partial(toks.unigram, "DebertaV2Tokenizer", ["[PAD]", "[CLS]", "[SEP]", "[UNK]", "[MASK]"]),
        {
            "relative_attention": True,
            "pos_att_type": ["c2p", "p2c"],
            "type_vocab_size": 0,
            "position_biased_input": False,
            "position_buckets": 16,
            "norm_rel_ebd": "layer_norm",
            "share_att_key": True,
            "conv_kernel_size": 3,
        },
    ),
    "deepseek_v3": Row(config=LATENT),
    "diffllama": BOS,
    "distilbert": WORDPIECE,
    "electra": Row(toks.wordpiece, {"embedding_size": 16}),
    "ernie": Row(toks.wordpiece, {"use_task_id": True}),
    "esm": Row(
        toks.esm,
        {"mask_token_id": 25, "pad_token_id": 1, "token_dropout": True, "position_embedding_type": "absolute"},
        longest=128,
        needs_folder=True,
    ),
    "esmc": Row(lambda: toks.transformers.EsmcTokenizer(), {"num_key_value_heads": 4}),
    "eurobert": Row(partial(toks.decoder, "<bos>")),
    "exaone4": Row(config=WIDE | SLIDING),
    "falcon": Row(config={"hidden_size": 64, "num_attention_heads": 2}, absent=("head_dim",)),
    "flaubert": Row(toks.xlm),
    "fnet": Row(partial(toks.unigram, "AlbertTokenizer", toks.ALBERT)),
    "funnel": Row(
        partial(toks.wordpiece, "FunnelTokenizer", toks.FUNNEL),
        {"block_sizes": [1, 1, 1]},
        absent=("num_hidden_layers",),
    ),
    "gemma": Row(GEMMA.tokenizer, WIDE),
    "gemma2": Row(GEMMA.tokenizer, SLIDING | {"query_pre_attn_scalar": 8}),
    "glm": BOS,
    "glm4": Row(BOS.tokenizer, WIDE),
    "gpt-sw3": Row(config={"hidden_size": 64, "num_attention_heads": 2, "n_embd": 64, "n_head": 2}),
    "gpt2": Row(config={"hidden_size": 64, "num_attention_heads": 2, "n_embd": 64, "n_head": 2}),
    "gpt_bigcode": DECODER,
    "gpt_neo": Row(config={"attention_types": [[["global", "local"], 1]], "window_size": 16}),
    "gpt_neox": DECODER,
    "gpt_oss": Row(config=WIDE | SLIDING),
    "gte": UNIGRAM,
    "helium": BOS,
    "ibert": Row(toks.bytes_bpe, longest=128),
    "jina_embeddings_v3": UNIGRAM,
    "llama": Row(BOS.tokenizer, WIDE),
    "longformer": Row(toks.bytes_bpe, {"attention_window": [8, 16], "max_position_embeddings": 4098}, longest=4096),
    "luke": Row(toks.bytes_bpe, {"entity_vocab_size": 8, "entity_emb_size": 8}, longest=128),
    "megatron-bert": WORDPIECE,
    "minimax": Row(config={"block_size": 16}),
    "ministral": Row(BOS.tokenizer, SLIDING),
    "ministral3": Row(BOS.tokenizer, WIDE),
    "mistral": Row(BOS.tokenizer, WIDE | SLIDING),
    "mistral4": Row(config={key: value for key, value in LATENT.items() if key != "head_dim"}, absent=("head_dim",)),
    "mixtral": Row(BOS.tokenizer, WIDE),
    "mobilebert": Row(
        toks.wordpiece, {"intra_bottleneck_size": 16, "embedding_size": 16, "num_feedforward_networks": 2}
    ),
    "modernbert": Row(
        toks.wordpiece, {"local_attention": 16, "num_hidden_layers": 3, "max_position_embeddings": 4096}, longest=4096
    ),
    "modernvbert": Row(toks.wordpiece, parts=("text_config", "vision_config")),
    "mpnet": Row(partial(toks.wordpiece, "MPNetTokenizer", toks.MPNET), longest=128),
    "mpt": DECODER,
    "mra": PAD_OFFSET,
    "mt5": Row(partial(toks.unigram, "T5Tokenizer", toks.T5, extra_ids=0)),
    "nemotron": Row(BOS.tokenizer, WIDE),
    "nomic_bert": WORDPIECE,
    "nystromformer": WORDPIECE,
    "openai_privacy_filter": Row(config={"sliding_window": 8}),
    "persimmon": DECODER,
    "phi": DECODER,
    "phi3": Row(BOS.tokenizer, {key: value for key, value in WIDE.items() if key != "head_dim"}),
    "qwen2": Row(config=WIDE),
    "qwen2_moe": Row(config=WIDE),
    "qwen3": Row(config=WIDE),
    "qwen3_5": Row(parts=("text_config", "vision_config"), config=LINEAR),
    "qwen3_moe": Row(config=WIDE),
    "qwen3_next": Row(config=LINEAR),
    "rembert": Row(partial(toks.unigram, "RemBertTokenizer", toks.ALBERT), {"input_embedding_size": 16}),
    "roberta": PAD_OFFSET,
    "roberta-prelayernorm": PAD_OFFSET,
    "roc_bert": Row(
        toks.roc_bert,
        {"shape_vocab_size": 11, "pronunciation_vocab_size": 11, "shape_embed_dim": 8, "pronunciation_embed_dim": 8},
        needs_folder=True,
    ),
    "roformer": Row(toks.wordpiece, {"max_position_embeddings": 130}),
    "seed_oss": DECODER,
    "smollm3": DECODER,
    "squeezebert": WORDPIECE,
    "stablelm": Row(config=WIDE),
    "starcoder2": Row(config=SLIDING),
    "t5": Row(partial(toks.unigram, "T5Tokenizer", toks.T5, extra_ids=0)),
    "t5gemma": Row(GEMMA.tokenizer, SLIDING | {"query_pre_attn_scalar": 8}, parts=("encoder", "decoder")),
    "t5gemma2": Row(
        GEMMA.tokenizer,
        SLIDING | {"query_pre_attn_scalar": 8},
        parts=("encoder.text_config", "encoder.vision_config", "decoder"),
    ),
    "ultrabert": Row(toks.wordpiece, {"num_hidden_layers": 3, "num_key_value_heads": 4} | SLIDING),
    "umt5": Row(partial(toks.unigram, "T5Tokenizer", toks.T5, extra_ids=0)),
    "xlm": Row(toks.xlm),
    "xlm-roberta": PAD_OFFSET_UNIGRAM,
    "xlm-roberta-xl": PAD_OFFSET_UNIGRAM,
    "xlnet": Row(partial(toks.unigram, "XLNetTokenizer", toks.XLNET), absent=("max_position_embeddings",)),
    "xmod": Row(toks.unigram, {"languages": ["de_DE", "en_XX"], "default_language": "en_XX"}, longest=128),
    "yoso": Row(partial(toks.unigram, "AlbertTokenizer", toks.ALBERT)),
}

# Of the installed transformers.
ROWS = {model_type: row for model_type, row in KNOWN.items() if model_type in model_types()}


def small_config(model_type: str, tokenizer: PreTrainedTokenizerBase, num_labels: int) -> Any:
    """The config of a row, special ids as its tokenizer has them."""
    row = ROWS[model_type]
    cls = CONFIG_MAPPING[model_type]
    wanted = SMALL | row.config | {"vocab_size": len(tokenizer)}
    for name in ("pad_token_id", "bos_token_id", "eos_token_id"):
        wanted[name] = getattr(tokenizer, name)
    if row.parts:
        default = cls()
        nested: dict[str, Any] = {}
        for path in row.parts:
            part, outer = default, nested
            for name in path.split("."):
                part, above, outer = getattr(part, name), outer, outer.setdefault(name, {})
            above[name] = settable(part, wanted, row)
        return cls(**nested, num_labels=num_labels, vocab_size=len(tokenizer))
    return cls(**settable(cls(), wanted, row), num_labels=num_labels)


def settable(default: Any, wanted: dict[str, Any], row: Row) -> dict[str, Any]:
    """What of `wanted` this config has a name for."""
    known = {key for key in wanted if hasattr(default, key)} - set(row.absent) | set(row.config)
    return {key: wanted[key] for key in wanted if key in known}


def build(model_type: str, folder: Path, seed: int, num_labels: int = 5, **save: Any) -> Path:
    """Write the checkpoint of a row and its tokenizer; the same seed gives the same weights."""
    folder.mkdir(parents=True, exist_ok=True)
    row = ROWS[model_type]
    if model_type == "roc_bert":
        tokenizer = toks.roc_bert(folder, row.config["shape_vocab_size"])
    else:
        tokenizer = row.tokenizer(folder) if row.needs_folder else row.tokenizer()
    torch.manual_seed(seed)
    config = small_config(model_type, tokenizer, num_labels)
    model = AutoModelForTokenClassification.from_config(config)
    scatter(model)
    model.save_pretrained(folder, **save)
    tokenizer.save_pretrained(folder)
    return folder


@torch.no_grad()
def scatter(model: nn.Module) -> None:
    """Weights large enough that attention, positions and every bias show in the logits."""
    for name, parameter in model.named_parameters():
        if parameter.dim() < 2:
            parameter.add_(0.1 * torch.randn_like(parameter))
        else:
            parameter.normal_(std=0.5 if "position" in name else 0.2)

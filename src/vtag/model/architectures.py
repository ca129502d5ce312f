"""The one table of architectures: Hugging Face model type -> how vtag runs it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

# vLLM's name of the packed route's model class. vLLM infers a model's task from the end of the name.
PACKED = "VtagPackedForTokenClassification"
# The limit of models that take any length: attention scores of one text are heads * length**2 numbers.
NO_LIMIT = 4096

# (config, tokenizer) -> (ids [texts, length] -> inputs of the Hugging Face module, without ids and mask)
Inputs = Callable[[Any, Any], Callable[[Any], dict[str, Any]]]


def positions(config: Any) -> int:
    """The number of positions in the config: the size of a table, or the length of training."""
    return int(getattr(config.get_text_config(), "max_position_embeddings", None) or NO_LIMIT)


def positions_after_padding(config: Any) -> int:
    """fairseq's rule: the first token is at position `pad_token_id + 1`."""
    return positions(config) - config.pad_token_id - 1


def alibi_table(config: Any) -> int:
    return int(config.max_seq_len)


def any_length(config: Any) -> int:
    return NO_LIMIT


def pooled_away(config: Any) -> int:
    """Funnel halves the text before each block but the first; at least one token must remain."""
    halvings = len(config.block_sizes) - 1
    if not config.truncate_seq:
        return int(2 ** (halvings + 1))
    return int(2**halvings + 1) if config.separate_cls else int(2 ** (halvings - 1) + 1)


def segments(cls: int = 0) -> Inputs:
    """Token types from the tokenizer, if it has them: 0, and `cls` for the class token.

    For modules that treat missing token types differently from zeros, or whose tokenizer returns values other than
    zero.
    """

    def prepare(config: Any, tokenizer: Any) -> Callable[[Any], dict[str, Any]]:
        if "token_type_ids" not in tokenizer.model_input_names:
            return lambda ids: {}
        cls_id = tokenizer.cls_token_id if cls else None
        return lambda ids: {"token_type_ids": (ids == (-1 if cls_id is None else cls_id)).long() * cls}

    return prepare


def shapes_and_sounds(config: Any, tokenizer: Any) -> Callable[[Any], dict[str, Any]]:
    """RoCBert reads three vocabularies: each token has a shape and a pronunciation; [CLS] and [SEP] have those of
    [UNK].
    """
    import torch

    ends = (tokenizer.cls_token_id, tokenizer.sep_token_id)
    ids_read = [tokenizer.unk_token_id if i in ends else i for i in range(config.vocab_size)]
    pieces = tokenizer.convert_ids_to_tokens(ids_read)
    shape = torch.tensor(tokenizer.convert_tokens_to_shape_ids(pieces))
    sound = torch.tensor(tokenizer.convert_tokens_to_pronunciation_ids(pieces))

    def inputs(ids: Any) -> dict[str, Any]:
        cpu = ids.cpu()
        return {
            "input_shape_ids": shape[cpu].to(ids.device),
            "input_pronunciation_ids": sound[cpu].to(ids.device),
        }

    return inputs


def sparse_again(module: Any) -> None:
    """BigBird switches to full attention at the first short text and stays there; switch it back."""
    module.bert.set_attention_type(module.config.attention_type)


@dataclass(frozen=True, slots=True)
class Architecture:
    """One row.

    native: vLLM's class of the decoder, where vLLM runs it itself; None: the packed route.
    causal: a token sees only the tokens to its left.
    needs: what the model needs beside text; such a model is refused.
    limit: config -> the longest text in tokens, special tokens included.
    shortest: config -> the length to which shorter texts are padded, because the module fails on them.
    inputs: inputs of the module beside ids and mask.
    alone: amplifies rounding differences (recurrent layers): one text per forward pass, so that results do not depend
    on batch composition.
    reset: restores state that the module keeps between calls.
    float32_only: the module mixes dtypes and fails in half precision; it runs in float32 whatever the dtype.
    transformers: the version that introduced it, where vtag supports older ones too.
    """

    native: str | None = None
    causal: bool = False
    needs: str | None = None
    limit: Callable[[Any], int] = positions
    shortest: Callable[[Any], int] | None = None
    inputs: Inputs | None = None
    alone: bool = False
    reset: Callable[[Any], None] | None = None
    float32_only: bool = False
    transformers: str | None = None

    @property
    def route(self) -> str | None:
        """ "native", "packed", or None where the model is refused."""
        return None if self.needs else "native" if self.native else "packed"

    @property
    def vllm_name(self) -> str:
        """The architecture name for vLLM."""
        return f"Vtag{self.native}ForTokenClassification" if self.native else PACKED


ENCODER = Architecture()
FAIRSEQ = Architecture(limit=positions_after_padding)
RELATIVE = Architecture(limit=any_length)
DECODER = Architecture(causal=True)
GATED_DELTA = Architecture(causal=True, alone=True)
GPT = Architecture(causal=True, inputs=segments())
GPT2 = Architecture(native="GPT2LMHeadModel", causal=True, inputs=segments())
BOXES = Architecture(needs="layout boxes")

ARCHITECTURES: dict[str, Architecture] = {
    "albert": ENCODER,
    "apertus": DECODER,
    "arcee": DECODER,
    "axk1": DECODER,
    "axk2": DECODER,
    "bert": ENCODER,
    "big_bird": Architecture(reset=sparse_again),
    "biogpt": DECODER,
    "bloom": Architecture(causal=True, limit=any_length),
    "bros": BOXES,
    "camembert": FAIRSEQ,
    "canine": Architecture(shortest=lambda config: int(config.downsampling_rate)),
    "convbert": ENCODER,
    "data2vec-text": FAIRSEQ,
    "deberta": Architecture(float32_only=True),
    "deberta-v2": ENCODER,
    "deepseek_v3": DECODER,
    "diffllama": DECODER,
    "distilbert": ENCODER,
    "electra": ENCODER,
    "ernie": ENCODER,
    "esm": FAIRSEQ,
    "esmc": ENCODER,
    "eurobert": ENCODER,
    "exaone4": Architecture(native="Exaone4ForCausalLM", causal=True),
    "falcon": Architecture(native="FalconForCausalLM", causal=True),
    "flaubert": Architecture(inputs=segments()),
    "fnet": Architecture(float32_only=True),
    "funnel": Architecture(
        limit=any_length,
        shortest=pooled_away,
    ),
    "gemma": Architecture(native="GemmaForCausalLM", causal=True),
    "gemma2": DECODER,
    "glm": DECODER,
    "glm4": Architecture(native="Glm4ForCausalLM", causal=True),
    "gpt-sw3": GPT2,
    "gpt2": GPT2,
    "gpt_bigcode": GPT,
    "gpt_neo": GPT,
    "gpt_neox": DECODER,
    "gpt_oss": Architecture(native="GptOssForCausalLM", causal=True),
    "gte": ENCODER,
    "helium": DECODER,
    "ibert": FAIRSEQ,
    "jina_embeddings_v3": ENCODER,
    "layoutlm": BOXES,
    "layoutlmv2": Architecture(needs="layout boxes and the page's picture"),
    "layoutlmv3": Architecture(needs="layout boxes and the page's picture"),
    "lilt": BOXES,
    "llama": Architecture(native="LlamaForCausalLM", causal=True),
    "longformer": FAIRSEQ,
    "luke": FAIRSEQ,
    "markuplm": Architecture(needs="the markup's XPaths"),
    "megatron-bert": ENCODER,
    "minimax": DECODER,
    "ministral": DECODER,
    "ministral3": Architecture(native="Ministral3ForCausalLM", causal=True),
    "mistral": Architecture(native="MistralForCausalLM", causal=True),
    "mistral4": DECODER,
    "mixtral": Architecture(native="MixtralForCausalLM", causal=True),
    "mobilebert": ENCODER,
    "modernbert": ENCODER,
    "modernvbert": ENCODER,
    "mpnet": FAIRSEQ,
    "mpt": Architecture(causal=True, limit=alibi_table),
    "mra": Architecture(float32_only=True),
    "mt5": RELATIVE,
    "nemotron": Architecture(native="NemotronForCausalLM", causal=True),
    "nomic_bert": ENCODER,
    "nystromformer": ENCODER,
    "openai_privacy_filter": ENCODER,
    "persimmon": DECODER,
    "phi": DECODER,
    "phi3": Architecture(native="Phi3ForCausalLM", causal=True),
    "qwen2": Architecture(native="Qwen2ForCausalLM", causal=True),
    "qwen2_moe": Architecture(native="Qwen2MoeForCausalLM", causal=True),
    "qwen3": Architecture(native="Qwen3ForCausalLM", causal=True),
    "qwen3_5": GATED_DELTA,
    "qwen3_asr": Architecture(needs="the audio whose words it aligns"),
    "qwen3_moe": Architecture(native="Qwen3MoeForCausalLM", causal=True),
    "qwen3_next": GATED_DELTA,
    "rembert": ENCODER,
    "roberta": FAIRSEQ,
    "roberta-prelayernorm": FAIRSEQ,
    "roc_bert": Architecture(inputs=shapes_and_sounds),
    "roformer": ENCODER,
    "seed_oss": DECODER,
    "smollm3": DECODER,
    "squeezebert": ENCODER,
    "stablelm": Architecture(native="StableLmForCausalLM", causal=True),
    "starcoder2": DECODER,
    "t5": RELATIVE,
    "t5gemma": ENCODER,
    "t5gemma2": ENCODER,
    "ultrabert": Architecture(transformers="5.20"),
    "umt5": RELATIVE,
    "xlm": Architecture(inputs=segments()),
    "xlm-roberta": FAIRSEQ,
    "xlm-roberta-xl": FAIRSEQ,
    "xlnet": Architecture(limit=any_length, inputs=segments(cls=2), float32_only=True),
    "xmod": FAIRSEQ,
    "yoso": ENCODER,
}


def max_length(config: Any) -> int:
    """The longest text that the module takes, in tokens, special tokens included."""
    return ARCHITECTURES[config.model_type].limit(config)

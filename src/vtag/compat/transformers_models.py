"""transformers internals: tables of classes, loading without weights, masks, and attention."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import torch
    from torch import nn

# RoPE types that Hugging Face scales by the length of the current text, and vLLM by the longest possible text.
LENGTH_DEPENDENT_ROPES = ("dynamic", "longrope")


class Report(NamedTuple):
    """How the tensors of a checkpoint fit the model.

    mismatched: (name, shape in the file, shape in the model). unexpected, missing: names.
    """

    mismatched: list[tuple[str, list[int], list[int]]]
    unexpected: list[str]
    missing: list[str]


def config_class(model_type: str) -> type[Any]:
    """Hugging Face's config class; vLLM registers classes of its own in AutoConfig."""
    import transformers
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING_NAMES

    found: type[Any] = getattr(transformers, CONFIG_MAPPING_NAMES[model_type])
    return found


def model_types() -> list[str]:
    """Model types for which the installed transformers has a token classifier."""
    from transformers.models.auto.modeling_auto import MODEL_FOR_TOKEN_CLASSIFICATION_MAPPING_NAMES

    return list(MODEL_FOR_TOKEN_CLASSIFICATION_MAPPING_NAMES)


def raw_config(model: str, **kwargs: Any) -> dict[str, Any]:
    """The content of config.json."""
    import transformers

    raw: dict[str, Any] = transformers.PretrainedConfig.get_config_dict(model, **kwargs)[0]
    return raw


def token_classifier(config: Any) -> type[nn.Module] | None:
    """The token-classification class for a config; None for the model's own code."""
    from transformers.models.auto.modeling_auto import MODEL_FOR_TOKEN_CLASSIFICATION_MAPPING

    found: type[nn.Module] | None = MODEL_FOR_TOKEN_CLASSIFICATION_MAPPING.get(type(config), None)
    return found


def loaded_on_meta(module: Any, config: Any, tensors: Mapping[str, torch.Tensor]) -> tuple[nn.Module, Report]:
    """A module on the meta device, loaded with these tensors: key renaming and weight tying apply, no
    weight is read.
    """
    model, report = module.from_pretrained(
        None,
        config=config,
        state_dict=dict(tensors),
        device_map="meta",
        output_loading_info=True,
        ignore_mismatched_sizes=True,
    )
    return model, loading_report(report)


def loading_report(report: Mapping[str, Any]) -> Report:
    """The report of `output_loading_info=True`."""
    mismatched = [(name, list(found), list(wanted)) for name, found, wanted in sorted(report["mismatched_keys"])]
    return Report(mismatched, sorted(report["unexpected_keys"]), sorted(report["missing_keys"]))


def is_transformers_own(model: nn.Module) -> bool:
    """Whether the module's code is part of transformers, not of the model."""
    return type(model).__module__.startswith("transformers.models.")


def rope_types(model: nn.Module) -> set[str]:
    """The RoPE types of a module; some have one for each kind of layer."""
    found: set[str] = set()
    for part in model.modules():
        kind = getattr(part, "rope_type", "default")
        found |= set(kind.values()) if isinstance(kind, dict) else {kind}
    return found


def position_padding(model: nn.Module) -> int | None:
    """The padding id for modules that count positions from it, over tokens that are not padding (RoBERTa's rule); else
    None.
    """
    counts = (part for part in model.modules() if hasattr(part, "create_position_ids_from_input_ids"))
    return next((part.padding_idx for part in counts), None)


def own_attention(module: nn.Module) -> Callable[..., Any]:
    """The eager attention function in the module's own file, for architectures with special attention."""
    plain: Callable[..., Any] = sys.modules[type(module).__module__].eager_attention_forward
    return plain


def is_causal_mask(mask_function: Any) -> bool:
    """Whether a mask function lets a token see itself and everything before it, and nothing else."""
    from transformers.masking_utils import causal_mask_function

    return mask_function is causal_mask_function


def is_full_mask(mask_function: Any) -> bool:
    """Whether a mask function lets every token see every other."""
    from transformers.masking_utils import bidirectional_mask_function

    return mask_function is bidirectional_mask_function

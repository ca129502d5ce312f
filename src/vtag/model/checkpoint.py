"""A model's folder, architecture and head, before an engine starts. Reads headers, never weights."""

from __future__ import annotations

import errno
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from huggingface_hub import metadata_load
from yaml import YAMLError

from vtag.compat import transformers_models
from vtag.errors import ModelError, error, reason, short
from vtag.model import weights
from vtag.model.architectures import ARCHITECTURES, Architecture, max_length
from vtag.model.demo import demo_model

HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?")
TOKENIZER_AND_CONFIG = ["*.json", "*.txt", "*.model", "*.jinja", "README.md"]


@dataclass(frozen=True, slots=True, eq=False)
class Checkpoint:
    """A folder that can be loaded.

    head: number of labels of the token-classification head in the weights; None without such a head.
    """

    folder: Path
    config: Any
    row: Architecture
    head: int | None


def locate(
    model: str | Path,
    *,
    revision: str | None = None,
    download_dir: str | None = None,
    pickle: bool = False,
    remote_code: bool = False,
) -> Path:
    """The folder of `model`: "demo", a folder, or a hub id (cached or downloaded)."""
    if not isinstance(model, str | Path) or not str(model):
        raise error("no_model_name", given=repr(model) if isinstance(model, str) else type(model).__name__)
    name = str(model)
    if name == "demo":
        return demo_model()
    try:
        folder = Path(name).expanduser()
        if folder.is_dir():
            if not (folder / "config.json").is_file():
                raise error("not_a_model", model=name)
            return folder
        on_the_hub = HUB_ID.fullmatch(name) and not folder.exists()
    except (OSError, RuntimeError, ValueError) as cause:  # an unknown ~user, too long a name, a NUL in it
        if isinstance(cause, ModelError):
            raise
        raise error("model_not_found", model=name) from cause
    if not on_the_hub:
        raise error("model_not_found", model=name)
    return _from_hub(name, revision, download_dir, pickle, remote_code)


def _from_hub(name: str, revision: str | None, download_dir: str | None, pickle: bool, remote_code: bool) -> Path:
    import httpx
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import (
        LocalEntryNotFoundError,
        OfflineModeIsEnabled,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    patterns = [*TOKENIZER_AND_CONFIG, "*.bin" if pickle else "*.safetensors"] + (["*.py"] if remote_code else [])
    try:
        return Path(snapshot_download(name, revision=revision, cache_dir=download_dir, allow_patterns=patterns))
    except RevisionNotFoundError as cause:
        raise error("revision_not_found", model=name, revision=revision) from cause
    except RepositoryNotFoundError as cause:
        raise error("hub_not_found", model=name) from cause
    except (LocalEntryNotFoundError, OfflineModeIsEnabled, httpx.HTTPError, OSError) as cause:
        if isinstance(cause, OSError) and (cause.filename or cause.errno in (errno.ENOSPC, errno.EDQUOT)):
            raise error("hub_cache_failed", model=name, reason=cause.strerror) from cause
        raise error("hub_unreachable", model=name) from cause


def read(folder: Path, *, name: str, pickle: bool = False, remote_code: bool = False) -> Checkpoint:
    """Config, architecture and head of the model in `folder`, called `name` by the user."""
    config = read_config(folder, name, remote_code)
    row = ARCHITECTURES.get(config.model_type)
    if row is None:
        raise error("unsupported_architecture", model=name, type=config.model_type)
    if row.needs:
        raise error("needs_more", model=name, type=config.model_type, needs=row.needs)
    classes = getattr(config, "architectures", None)
    if isinstance(classes, list) and any(str(c).endswith("ForSequenceClassification") for c in classes):
        raise error("sequence_classifier", model=name)
    shapes = weights.shapes(folder, name, pickle)
    head = weights.head_labels(shapes)
    if head is not None and head != config.num_labels:
        raise error("config_disagrees", model=name, head=head, config=config.num_labels)
    # Quantised weights have other names and shapes.
    if getattr(config, "quantization_config", None) is None and not weights.check(shapes, config, name):
        head = None
    # With such values a module fails, or crashes, at the first text. (XLNet's -1 means no limit.)
    text = config.get_text_config()
    no_positions = getattr(text, "max_position_embeddings", None) == 0
    if no_positions or max_length(config) < 1 or (getattr(text, "num_attention_heads", None) or 1) < 1:
        raise error("config_refused", model=name, type=config.model_type, reason="a size is less than 1")
    return Checkpoint(folder, config, row, head)


def read_config(folder: Path, name: str, remote_code: bool = False) -> Any:
    """Hugging Face's config object."""
    weights.refuse_pointer(folder / "config.json", name)
    try:
        raw = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        model_type = raw["model_type"]
    except (OSError, ValueError, LookupError, TypeError, RecursionError) as cause:
        raise error("bad_config", model=name) from cause
    if not isinstance(model_type, str):
        raise error("bad_config", model=name)
    if "auto_map" in raw and model_type not in ARCHITECTURES and not remote_code:
        raise error("remote_code", model=name)
    row = ARCHITECTURES.get(model_type)
    if row is not None and row.transformers and model_type not in transformers_models.model_types():
        raise error("transformers_too_old", model=name, type=model_type, version=row.transformers)
    if not _names_each_label(raw.get("id2label")):
        raise error("bad_labels", model=name)
    try:
        return load_config(str(folder), trust_remote_code=remote_code)
    except Exception as cause:  # Hugging Face's config classes raise any exception
        if model_type not in ARCHITECTURES:
            raise error("unsupported_architecture", model=name, type=model_type) from cause
        raise error("config_refused", model=name, type=model_type, reason=reason(cause)) from cause


def languages(folder: Path) -> list[str]:
    """Two-letter codes of the languages in the model card (README.md); empty if it names none."""
    try:
        declared = (metadata_load(folder / "README.md") or {}).get("language")
    except (OSError, ValueError, YAMLError):
        return []
    listed = declared if isinstance(declared, list) else [declared]
    codes = ["no" if code is False else str(code).lower() for code in listed]  # YAML reads a bare `no` as false
    return codes if all(len(code) == 2 for code in codes) else []


def _names_each_label(id2label: Any) -> bool:
    """Whether this part of config.json, if it exists, names each label. Two ids may share a name."""
    if id2label is None:
        return True
    if not isinstance(id2label, dict) or set(map(str, id2label)) != {str(i) for i in range(len(id2label))}:
        return False
    return all(type(label) in (str, int) and str(label).strip() for label in id2label.values())


def load_config(model: str, **kwargs: Any) -> Any:
    """Hugging Face's config object, also for model types for which vLLM registers its own class in AutoConfig."""
    import transformers

    model_type = transformers_models.raw_config(model, **kwargs).get("model_type")
    if model_type not in ARCHITECTURES:
        return transformers.AutoConfig.from_pretrained(model, **kwargs)
    return transformers_models.config_class(model_type).from_pretrained(model, **kwargs)


def labels_for(checkpoint: Checkpoint, name: str, model_config: dict[str, Any] | None) -> tuple[dict[int, str], bool]:
    """The id2label to use, and whether the head must be newly initialised."""
    if not isinstance(model_config, Mapping | None):
        raise error("bad_argument", name="model_config", value=short(model_config), expected="a dict")
    asked = dict(model_config or {})
    num_labels, id2label = asked.pop("num_labels", None), asked.pop("id2label", None)
    if asked:
        raise error("model_config_key", keys=", ".join(sorted(map(str, asked))))
    if id2label is not None:
        if not _names_each_label(id2label):
            raise error("id2label_keys", labels=num_labels or "n")
        id2label = {int(i): str(label) for i, label in id2label.items()}
        if num_labels is None:
            num_labels = len(id2label)
    if num_labels is not None and (type(num_labels) is not int or num_labels < 1):
        raise error("num_labels_number")
    if id2label is not None and sorted(id2label) != list(range(num_labels or 0)):
        raise error("id2label_keys", labels=num_labels)
    if checkpoint.head is None:
        if num_labels is None:
            raise error("no_head", model=name)
        return id2label or {i: f"LABEL_{i}" for i in range(num_labels)}, True
    if num_labels is not None and num_labels != checkpoint.head:
        raise error("num_labels", model=name, head=checkpoint.head, asked=num_labels)
    return id2label or {int(i): str(label) for i, label in sorted(checkpoint.config.id2label.items())}, False

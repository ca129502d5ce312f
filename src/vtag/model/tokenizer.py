"""A model's tokenizer, loaded as vLLM loads it, and checked: it needs a vocabulary, and ids within the embedding."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from vtag.compat import vllm_tokenizers
from vtag.errors import VtagError, error, reason
from vtag.model.weights import refuse_pointer


def load(model: str, name: str, *, mode: str = "auto", revision: str | None = None, remote_code: bool = False) -> Any:
    """The tokenizer in the folder `model` (or of that hub id), of the model called `name`.

    Loaded by vLLM, with the arguments that the engine will use: the engine then finds it in vLLM's cache. The cache is
    emptied first, as the folder may have changed.
    """
    folder = Path(model)
    for file in _files(folder):
        refuse_pointer(file, name)
    vllm_tokenizers.forget()
    try:
        return vllm_tokenizers.load(model, mode=mode, revision=revision, remote_code=remote_code)
    except ImportError as cause:
        if folder.is_dir() and not _files(folder):
            raise error("tokenizer_missing", model=name) from cause
        raise error("tokenizer_needs", model=name, reason=reason(cause)) from cause
    except Exception as cause:  # tokenizer libraries raise any exception
        raise _why(folder, name, remote_code) from cause


def check(tokenizer: Any, rows: int | None, name: str) -> None:
    """Raise ModelError for a tokenizer with special tokens only, with ordinary ids beyond the embedding's `rows`, or
    without a number as its longest text.

    Special and added tokens may have ids beyond: few texts contain them, and those are refused. None: no embedding.
    """
    longest = tokenizer.model_max_length
    if longest is not None and not (isinstance(longest, int | float) and longest >= 0):
        raise error("tokenizer_broken", model=name, file="tokenizer_config.json")
    if rows is None:
        return
    special = {*tokenizer.all_special_tokens, *tokenizer.added_tokens_encoder, "▁"}
    ordinary = [i for piece, i in tokenizer.get_vocab().items() if piece not in special]
    # transformers loads a folder without a vocabulary as a tokenizer that reads every word as unknown.
    if not ordinary:
        raise error("tokenizer_missing", model=name)
    if max(ordinary) >= rows:
        raise error("tokenizer_too_large", model=name, last=max(ordinary), rows=rows)


def _files(folder: Path) -> list[Path]:
    """The files of a tokenizer: only tokenizer.json, if it exists."""
    whole = folder / "tokenizer.json"
    if whole.is_file():
        return [whole]
    kinds = ("vocab*", "merges.txt", "*.model", "*.vocab")
    return sorted(file for kind in kinds for file in folder.glob(kind) if file.is_file())


def _why(folder: Path, name: str, remote_code: bool) -> VtagError:
    """The kind of error for a tokenizer that could not be loaded."""
    for file in ("tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "tokenizer.json"):
        try:
            known = json.loads((folder / file).read_text("utf-8"))
        except FileNotFoundError:
            continue
        except (OSError, ValueError, RecursionError):
            return error("tokenizer_broken", model=name, file=file)
        if isinstance(known, dict) and "auto_map" in known and not remote_code:
            return error("remote_code", model=name)
    for found in _files(folder):
        return error("tokenizer_broken", model=name, file=found.name)
    return error("tokenizer_missing", model=name)

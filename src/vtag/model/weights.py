"""A model's weights: the headers of its files, whether they fit the config, and whether the numbers are finite."""

from __future__ import annotations

import copy
import json
import math
import re
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vtag.compat import transformers_models
from vtag.errors import error, reason

if TYPE_CHECKING:
    import torch

HEAD = re.compile(r"(?:score|classifier)(?:\.\w+)*\.weight")
LAYER = re.compile(r"\.(\d+)\.")
# The placeholder that git stores for a large file until git-lfs fetches it.
POINTER = b"version https://git-lfs.github.com/"

Shapes = dict[str, list[int]]


def shapes(folder: Path, name: str, pickle: bool = False) -> Shapes:
    """Names and shapes of all tensors in the files that Hugging Face would read; reads no weights."""
    found: Shapes = {}
    for file in files(folder, name, pickle):
        refuse_pointer(file, name)
        try:
            found |= pickle_shapes(file) if pickle else safetensors_shapes(file)
        except Exception as cause:  # libraries raise any exception, MemoryError included
            raise error("pickle_refused" if pickle else "file_damaged", model=name, file=file.name) from cause
    return found


def files(folder: Path, name: str, pickle: bool = False) -> list[Path]:
    """The weight files: the one that save_pretrained writes, or the shards in its index."""
    whole = folder / ("pytorch_model.bin" if pickle else "model.safetensors")
    if whole.is_file():
        return [whole]
    index = folder / f"{whole.name}.index.json"
    if not index.is_file():
        pickled = not pickle and any(folder.glob("pytorch_model.bin*"))
        raise error("pickle_only" if pickled else "no_weights", model=name, file=whole.name)
    refuse_pointer(index, name)
    try:
        index_content = json.loads(index.read_text("utf-8"))
        index_content["metadata"].items()  # Hugging Face requires it
        shards = sorted({folder / shard for shard in index_content["weight_map"].values()})
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError) as cause:
        raise error("file_damaged", model=name, file=index.name) from cause
    for shard in shards:
        if not shard.is_file():
            raise error("shard_missing", model=name, file=shard.name)
    return shards


def refuse_pointer(file: Path, name: str) -> None:
    """Raise ModelError if the file is only git-lfs's pointer."""
    try:
        with file.open("rb") as opened:
            pointer = opened.read(len(POINTER)) == POINTER
    except OSError as cause:
        raise error("file_damaged", model=name, file=file.name) from cause
    if pointer:
        raise error("lfs_pointer", model=name, file=file.name)


def head_labels(found: Shapes) -> int | None:
    """The number of rows of the head's last matrix."""
    heads = [shape[0] for key, shape in found.items() if HEAD.fullmatch(key) and len(shape) == 2]
    return heads[-1] if heads else None


def safetensors_shapes(file: Path) -> Shapes:
    """Names and shapes in a safetensors file; raises if its header and its length disagree."""
    from safetensors import safe_open

    with safe_open(file, "np") as opened:
        return {key: opened.get_slice(key).get_shape() for key in opened.keys()}  # noqa: SIM118


def pickle_shapes(file: Path) -> Shapes:
    """Names and shapes in a file by torch.save, read with `weights_only`: content that would run code raises."""
    import torch

    state = torch.load(file, map_location="meta", weights_only=True, mmap=zipfile.is_zipfile(file))
    return {key: list(tensor.shape) for key, tensor in state.items() if isinstance(tensor, torch.Tensor)}


def check(found: Shapes, config: Any, name: str) -> bool:
    """Raise ModelError unless tensors with these names and shapes fit Hugging Face's module for `config`.

    Runs `from_pretrained` on the meta device: key renaming and weight tying apply, no tensor data is read.
    Returns whether the head is among the tensors.
    """
    import torch

    module: Any = transformers_models.token_classifier(config)
    if module is None:  # the model's own code
        return True
    tensors = {key: torch.empty(shape, device="meta") for key, shape in found.items()}
    try:
        module_on_meta, report = transformers_models.loaded_on_meta(module, copy.deepcopy(config), tensors)
    except Exception as cause:  # Hugging Face's modules raise any exception
        raise error("config_refused", model=name, type=config.model_type, reason=reason(cause)) from cause
    for tensor, there, wanted in report.mismatched:
        raise error("shapes_disagree", model=name, tensor=tensor, found=there, wanted=wanted)
    layers = {part: len(m) for part, m in module_on_meta.named_modules() if isinstance(m, torch.nn.ModuleList)}
    for tensor in report.unexpected:
        for number in LAYER.finditer(tensor):
            part = tensor[: number.start()]
            if int(number[1]) >= layers.get(part, layers.get(f"{module.base_model_prefix}.{part}", math.inf)):
                raise error("layers_disagree", model=name, tensor=tensor)
    check_complete(report.missing, module.base_model_prefix, name)
    return not any(map(HEAD.fullmatch, report.missing))


def check_complete(missing: Iterable[str], base: str, name: str) -> None:
    """Raise unless all weights were in the files; the weights of the head may be missing if all of them are.

    Hugging Face would initialise missing weights at random and continue.
    """
    fresh = any(HEAD.fullmatch(key) for key in missing)
    lost = sorted(key for key in missing if key.startswith(f"{base}.") or not (fresh or key.endswith(".bias")))
    if lost:
        raise error("weights_missing", model=name, count=len(lost), first=lost[0])


def check_finite(module: torch.nn.Module, name: str) -> None:
    """Raise ModelError for a parameter with NaN or infinity."""
    import torch

    for key, parameter in module.named_parameters():
        if not parameter.is_floating_point() or parameter.element_size() == 1:  # quantised: sums are not available
            continue
        # The sum is one quick pass over the memory; it may overflow itself, so a second, exact check follows.
        if not torch.isfinite(parameter.sum()) and not torch.isfinite(parameter).all():
            dtype = str(parameter.dtype).removeprefix("torch.")
            raise error("weights_not_finite", model=name, first=key, dtype=dtype)

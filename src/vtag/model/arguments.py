"""Checks of the user's engine arguments, before anything is loaded."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from pydantic import ValidationError

from vtag.errors import VtagError, error, reason, short
from vtag.options import TagOptions

DTYPES = ("auto", "float32", "float", "bfloat16", "float16", "half")
NUMBERS = ("max_model_len", "tensor_parallel_size", "pipeline_parallel_size")
# Arguments of Hugging Face's pipeline, and vtag's equivalents.
MOVED = {
    "device": "leave it out, vLLM takes the GPU if there is one",
    "device_map": "leave it out, vLLM takes the GPU if there is one",
    "batch_size": "leave it out, texts are batched by their tokens",
    "num_workers": "leave it out, texts are read while the engine runs",
    "framework": "leave it out",
    "torch_dtype": "use dtype",
    **{option.name: "pass it with the texts" for option in fields(TagOptions)},
}


def check(arguments: Mapping[str, Any]) -> None:
    """Raise SettingError for an argument that the engine does not have, or for an impossible value.

    vLLM checks most values itself before it starts anything (`refusal`); this covers the ones that vtag reads.
    """
    if not arguments:
        return
    dtype = str(arguments.get("dtype") or "auto").removeprefix("torch.")
    if dtype not in DTYPES:
        names = ", ".join(DTYPES)
        raise error("bad_argument", name="dtype", value=short(arguments["dtype"]), expected=f"one of {names}")
    for name in NUMBERS:
        value = arguments.get(name)
        if value is not None and not (type(value) is int and value > 0):
            raise error("bad_argument", name=name, value=short(value), expected="a whole number of at least 1")
    if not isinstance(arguments.get("hf_overrides") or {}, dict):
        raise error("bad_argument", name="hf_overrides", value=short(arguments["hf_overrides"]), expected="a dict")
    from vllm.engine.arg_utils import AsyncEngineArgs

    known = {field.name for field in fields(AsyncEngineArgs)} - {"model"}
    for name in arguments:
        if name not in known:
            close = difflib.get_close_matches(name, known, 1)
            fix = MOVED.get(name) or (f"did you mean {close[0]}?" if close else "leave it out")
            raise error("unknown_argument", name=name, fix=fix)


def refusal(model: str, cause: Exception) -> VtagError:
    """The error for an engine that did not start: vLLM refused an argument, or the machine is at fault."""
    return error(
        "engine_argument" if isinstance(cause, ValidationError) else "engine_failed", model=model, reason=reason(cause)
    )

"""`viterbi_calibration.json`: transition biases that a model ships, by name of operating point."""

from __future__ import annotations

import json
import math
from dataclasses import fields
from pathlib import Path
from typing import Any

from vtag.decode.viterbi import Biases
from vtag.errors import error

FILE_NAME = "viterbi_calibration.json"
_KEYS = {f"transition_bias_{field.name}": field.name for field in fields(Biases)}


def load(folder: str | Path, operating_point: str = "default") -> Biases:
    """The biases of one operating point, or zero biases if the model's folder has no such file.

    The format is strict: unknown or missing keys and biases that are no finite numbers are errors.
    """
    path = Path(folder) / FILE_NAME
    if not path.exists():
        return Biases()
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        raise error("bad_calibration", path=path.name, reason="no JSON") from None
    points = {name: _biases(point) for name, point in _only(content, "operating_points").items()}
    if operating_point not in points:
        raise error("unknown_operating_point", point=operating_point, names=", ".join(points))
    return points[operating_point]


def _only(value: Any, key: str) -> dict[str, Any]:
    """The object under `value`'s one key, which must be this one."""
    if not isinstance(value, dict) or set(value) != {key} or not isinstance(value[key], dict) or not value[key]:
        raise error("bad_calibration", path=FILE_NAME, reason=f"expected an object with {key!r} alone")
    inner: dict[str, Any] = value[key]
    return inner


def _biases(point: Any) -> Biases:
    biases = _only(point, "biases")
    if set(biases) != set(_KEYS):
        raise error("bad_calibration", path=FILE_NAME, reason=f"expected exactly the biases {', '.join(_KEYS)}")
    for key, value in biases.items():
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise error("bad_calibration", path=FILE_NAME, reason=f"{key} is not a finite number")
    return Biases(**{_KEYS[key]: float(value) for key, value in biases.items()})

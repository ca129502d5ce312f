"""The calibration file is honoured, and taken strictly."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from vtag.decode.calibration import FILE_NAME, load
from vtag.decode.viterbi import Biases
from vtag.errors import ModelError, SettingError

KEYS = [
    "transition_bias_background_stay",
    "transition_bias_background_to_start",
    "transition_bias_inside_to_continue",
    "transition_bias_inside_to_end",
    "transition_bias_end_to_background",
    "transition_bias_end_to_start",
]
GOOD = {key: float(at) for at, key in enumerate(KEYS)}


def write(folder: Path, content: Any) -> Path:
    (folder / FILE_NAME).write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return folder


def test_the_biases_of_the_operating_point_are_read(tmp_path: Path) -> None:
    points = {"default": {"biases": GOOD}, "recall": {"biases": dict.fromkeys(KEYS, 1)}}
    write(tmp_path, {"operating_points": points})
    assert load(tmp_path) == Biases(0, 1, 2, 3, 4, 5)
    assert load(tmp_path, "recall") == Biases(1, 1, 1, 1, 1, 1)


def test_no_file_means_no_biases(tmp_path: Path) -> None:
    assert load(tmp_path) == Biases()


def test_an_operating_point_that_is_not_there_is_refused_with_those_that_are(tmp_path: Path) -> None:
    write(tmp_path, {"operating_points": {"default": {"biases": GOOD}}})
    with pytest.raises(SettingError, match="default"):
        load(tmp_path, "recall")


@pytest.mark.parametrize(
    "content",
    [
        "not json",
        [],
        {},
        {"operating_points": {}},
        {"operating_points": {"default": {"biases": GOOD}}, "more": 1},
        {"operating_points": {"default": GOOD}},
        {"operating_points": {"default": {"biases": GOOD, "more": 1}}},
        {"operating_points": {"default": {"biases": {**GOOD, "transition_bias_more": 0.0}}}},
        {"operating_points": {"default": {"biases": {key: GOOD[key] for key in KEYS[1:]}}}},
        {"operating_points": {"default": {"biases": {**GOOD, KEYS[0]: True}}}},
        {"operating_points": {"default": {"biases": {**GOOD, KEYS[0]: "1"}}}},
        {"operating_points": {"default": {"biases": {**GOOD, KEYS[0]: float("nan")}}}},
    ],
)
def test_any_other_shape_is_one_line(tmp_path: Path, content: Any) -> None:
    with pytest.raises(ModelError, match=FILE_NAME) as caught:
        load(write(tmp_path, content))
    assert "\n" not in str(caught.value)

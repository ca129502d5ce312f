"""What `encode` gives: probabilities and the likeliest labels of each token."""

from __future__ import annotations

import json

import numpy as np
import pytest

from vtag.errors import SettingError
from vtag.output import TokenClassificationOutput


def output(data: list[list[float]], **fields: bool) -> TokenClassificationOutput:
    rows = np.array(data, np.float32).reshape(-1, 3)
    tokens = ["x"] * len(rows)
    ids = [1] * len(rows)
    return TokenClassificationOutput(
        rows, None, tokens, ids, None, {0: "O", 1: "B-PER", 2: "I-PER"}, 1, "0", ids, **fields
    )


def test_top_k_gives_each_token_its_likeliest_labels_first() -> None:
    made = output([[0, 2, 1], [5, 0, 0]])
    first, second = made.top_k(2)
    assert [label for label, _ in first] == ["B-PER", "I-PER"]
    assert [label for label, _ in second] == ["O", "B-PER"]
    assert first[0][1] == pytest.approx(np.exp(2) / (1 + np.exp(2) + np.exp(1)))
    assert [len(row) for row in made.top_k(9)] == [3, 3]
    assert json.loads(json.dumps(made.top_k(1)))[0][0][0] == "B-PER"
    assert output([]).top_k(2) == []


def test_labels_that_do_not_exclude_each_other_have_probabilities_of_their_own() -> None:
    ((best, second),) = output([[-9, 9, 9]], multi_label=True).top_k(2)
    assert min(best[1], second[1]) > 0.99


def test_no_label_at_all_cannot_be_asked_for() -> None:
    with pytest.raises(SettingError, match="at least 1"):
        output([[0, 0, 0]]).top_k(0)

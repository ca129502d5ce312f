"""Probabilities of groups of labels."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from vtag.decode.scores import columns, sums


@given(st.lists(st.integers(0, 4), min_size=1, max_size=9), st.integers(0, 5), st.integers(0, 2**32 - 1))
def test_sums_of_groups_are_the_product_with_their_members(ids: list[int], rows: int, seed: int) -> None:
    chance = np.random.default_rng(seed)
    _, groups = np.unique(ids, return_inverse=True)
    among = chance.random(len(ids)) < 0.6
    values = chance.random((rows, len(ids)), np.float32)
    members = (groups[:, None] == np.arange(groups.max() + 1)).astype(np.float32)
    assert np.allclose(sums(values, columns(groups)), values @ members, atol=1e-6)
    assert np.allclose(sums(values, columns(groups, among)), values @ (members * among[:, None]), atol=1e-6)

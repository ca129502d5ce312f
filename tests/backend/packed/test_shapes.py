"""Sizes are few, and no larger than they must be."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from transformers import BertConfig, DistilBertConfig

from vtag.backend.packed.shapes import rounded
from vtag.model.engine_settings import row_tokens


@given(st.integers(1, 1 << 20), st.sampled_from([1, 2, 4, 16]))
def test_a_count_is_rounded_up_by_one_step_of_its_octave_at_most(count: int, per_octave: int) -> None:
    assert count <= rounded(count, per_octave) <= count * (per_octave + 1) / per_octave
    assert rounded(rounded(count, per_octave), per_octave) == rounded(count, per_octave)


def test_there_are_so_many_sizes_from_each_power_of_two_to_the_next() -> None:
    assert sorted({rounded(n, 2) for n in range(1, 65)}) == [1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64]
    assert len({rounded(n, 16) for n in range(1024, 2048)}) == 17


def test_wide_models_run_fewer_tokens_at_once() -> None:
    wide, base = BertConfig(intermediate_size=8192), BertConfig()
    assert 512 <= row_tokens(wide, 2) < row_tokens(base, 2) == row_tokens(DistilBertConfig(), 2)
    assert row_tokens(base, 4) == row_tokens(base, 2) // 2
    assert row_tokens(BertConfig(intermediate_size=16), 2) <= 1 << 14
    assert 512 <= row_tokens(base, 2, cores=2) < row_tokens(base, 2) // 2


def test_a_gpu_runs_more_tokens_at_once_and_wide_models_fewer_there_too() -> None:
    base, wide = BertConfig(), BertConfig(intermediate_size=18944)
    assert row_tokens(base, 2, cuda=True) == 1 << 16 > row_tokens(base, 2)
    assert row_tokens(wide, 2) < row_tokens(wide, 2, cuda=True) < 1 << 14

"""Work goes to all cores, one thread on each, and comes back whole.

`torch._C` sets numbers of threads here: an engine that another test has started replaces `torch.set_num_threads`.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator

import pytest
import torch
from transformers import AutoModelForTokenClassification, BertConfig

from vtag.backend.packed.cores import FEW, Cores
from vtag.backend.packed.encoder import Encoder
from vtag.backend.packed.linear import prepare

LENS = [5, 1, 9, 30, 2, 17, 9, 12, 3, 40]


@pytest.fixture
def two_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch._C.set_num_threads(2)
    yield
    torch._C.set_num_threads(before)


@pytest.mark.usefixtures("two_threads")
def test_each_core_has_a_thread_that_works_alone_and_the_others_keep_their_helpers() -> None:
    cores = Cores(apart=True)
    met = threading.Barrier(2)
    seen = set()

    def look(_: int) -> None:
        met.wait(60)
        seen.add((threading.get_ident(), torch.get_num_threads()))

    cores.each(look, [(i,) for i in range(10)])
    assert cores.count == 2
    assert [threads for _, threads in seen] == [1, 1]
    later: list[int] = []
    other = threading.Thread(target=lambda: later.append(torch.get_num_threads()))
    other.start()
    other.join()
    assert torch.get_num_threads() == 2
    assert later == [2]


@pytest.mark.usefixtures("two_threads")
def test_what_is_alone_has_all_cores() -> None:
    seen = []
    Cores(apart=True).each(lambda: seen.append((threading.get_ident(), torch.get_num_threads())), [()])
    assert seen == [(threading.get_ident(), 2)]


@pytest.mark.usefixtures("two_threads")
def test_what_fails_in_a_worker_fails_in_the_caller() -> None:
    def fail(at: int) -> None:
        if at == 3:
            raise RuntimeError("the fourth")

    cores = Cores(apart=True)
    with pytest.raises(RuntimeError, match="the fourth"):
        cores.each(fail, [(i,) for i in range(5)])
    done: list[int] = []
    cores.each(done.append, [(i,) for i in range(5)])
    assert sorted(done) == list(range(5))


@pytest.mark.parametrize(("threads", "apart"), [(1, True), (2, False), (FEW + 1, True)])
def test_otherwise_the_caller_works_with_its_own_threads(threads: int, apart: bool) -> None:
    before = torch.get_num_threads()
    torch._C.set_num_threads(threads)
    try:
        cores, seen = Cores(apart=apart), set()
        cores.each(lambda _: seen.add((threading.get_ident(), torch.get_num_threads())), [(i,) for i in range(5)])
    finally:
        torch._C.set_num_threads(before)
    assert cores.count == 1
    assert seen == {(threading.get_ident(), threads)}


@pytest.mark.usefixtures("two_threads")
def test_a_thread_tied_to_one_core_works_with_its_own_threads() -> None:
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    try:
        assert Cores(apart=True).count == 1
    finally:
        os.sched_setaffinity(0, before)


@pytest.mark.usefixtures("two_threads")
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_rows_side_by_side_give_the_logits_that_one_row_gives(dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=60, hidden_size=64, num_hidden_layers=2, num_attention_heads=4, intermediate_size=128, num_labels=5
    )
    model = AutoModelForTokenClassification.from_config(config, dtype=dtype)
    prepare(model)
    encoder = Encoder(model, lambda: None)
    ids = torch.randint(0, 60, (sum(LENS),))
    assert encoder.cores.count == 2
    whole = encoder(ids, LENS)
    encoder.row_tokens = 20
    for _ in range(20):
        apart = encoder(ids, LENS)
        # In bfloat16 a product of another shape rounds otherwise.
        assert torch.allclose(apart, whole, rtol=0, atol=1e-5 if dtype == torch.float32 else 0.02)

"""torch's process groups, with its own list of them and without."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from torch import distributed
from torch.distributed import distributed_c10d

from vtag.compat import torch_cpu


@pytest.fixture
def group() -> Iterator[distributed.ProcessGroup]:
    if distributed.is_initialized():  # by an engine of another test
        yield distributed.group.WORLD
        return
    distributed.init_process_group("gloo", store=distributed.HashStore(), rank=0, world_size=1)
    yield distributed.group.WORLD
    distributed.destroy_process_group()


def test_the_group_of_all_is_found(group: distributed.ProcessGroup) -> None:
    assert group in torch_cpu.process_groups()


def test_without_torchs_list_the_group_of_all_is_found(
    group: distributed.ProcessGroup, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(distributed_c10d, "_world")
    monkeypatch.setattr(distributed, "is_initialized", lambda: True)
    monkeypatch.setattr(distributed.group.__class__, "WORLD", group)
    assert torch_cpu.process_groups() == [group]

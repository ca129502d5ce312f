"""Python's collector around an engine: what is skipped, and what is frozen and thawed."""

from __future__ import annotations

import gc
import threading
import weakref
from collections.abc import Iterator

import pytest

from vtag.system import garbage


@pytest.fixture(autouse=True)
def nothing_frozen(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The heap as in a process that has no engine; afterwards as it was."""
    before = gc.get_freeze_count()
    gc.unfreeze()
    monkeypatch.setattr(garbage, "_frozen", None)
    yield
    gc.unfreeze()
    if before:
        gc.freeze()


def test_unasked_calls_do_nothing_until_the_last_of_overlapping_blocks_ends() -> None:
    stock = (gc.collect, gc.freeze, gc.unfreeze)
    first, second = garbage.suppressed(), garbage.suppressed()
    first.__enter__()
    second.__enter__()
    gc.freeze()
    assert (gc.collect(), gc.get_freeze_count()) == (0, 0)
    first.__exit__(None, None, None)
    gc.freeze()
    assert gc.get_freeze_count() == 0
    second.__exit__(None, None, None)
    assert (gc.collect, gc.freeze, gc.unfreeze) == stock


def test_a_collection_is_made_even_while_another_thread_is_collecting() -> None:
    collecting, go_on = threading.Event(), threading.Event()

    def pause(phase: str, _: object) -> None:
        if phase == "start" and threading.current_thread() is other:
            collecting.set()
            go_on.wait()

    class Cycle:
        def __init__(self) -> None:
            self.itself = self

    other = threading.Thread(target=gc.collect, args=(0,))
    gc.callbacks.append(pause)
    try:
        cycle = Cycle()
        gc.collect()  # it is of the oldest generation from here on, which the other thread does not look at
        lost = weakref.ref(cycle)
        del cycle
        other.start()
        collecting.wait()
        assert gc.collect() == 0
        assert lost() is not None
        threading.Timer(0.05, go_on.set).start()
        garbage.collect()
        assert lost() is None
    finally:
        go_on.set()
        other.join()
        gc.callbacks.remove(pause)


def test_what_was_frozen_is_thawed() -> None:
    garbage.freeze()
    assert gc.get_freeze_count() > 0
    garbage.freeze()
    garbage.unfreeze()
    assert gc.get_freeze_count() == 0


@pytest.mark.parametrize("when", ["before", "since"])
def test_what_the_user_has_frozen_stays_so(when: str) -> None:
    if when == "before":
        gc.freeze()
    garbage.freeze()
    users = [[i] for i in range(10_000)]
    if when == "since":
        gc.freeze()
    garbage.unfreeze()
    del users
    assert gc.get_freeze_count() > 0

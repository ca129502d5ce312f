"""Python's garbage collector while an engine starts, runs and ends.

A full collection walks every object of the process; those of torch, vLLM and transformers alone take half a second and
more. vLLM runs five collections while an engine starts, freezes the heap, unfreezes all of it when the engine ends
(also what the user froze) and collects twice more. vtag freezes the libraries' objects before the first engine starts,
and never freezes the engine's: one collection at its end walks the engine's objects alone.
"""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

# Seconds that `collect` waits for another thread's collection. Inside a finalizer it would wait for its own.
LONGEST_WAIT = 1.0

_collect = gc.collect  # the real function, also inside `suppressed`
_lock = threading.Lock()
_depth = 0
_stock: dict[str, Callable[..., Any]] = {}
# How many objects `freeze` has frozen; 0 if the user had frozen some before; None before `freeze`.
_frozen: int | None = None


@contextmanager
def suppressed() -> Iterator[None]:
    """Make `gc.collect`, `gc.freeze` and `gc.unfreeze` do nothing in this process; contexts may overlap."""
    global _depth
    with _lock:
        if not _depth:
            _stock.update({name: getattr(gc, name) for name in ("collect", "freeze", "unfreeze")})
            for name in _stock:
                setattr(gc, name, _nothing)
        _depth += 1
    try:
        yield
    finally:
        with _lock:
            _depth -= 1
            if not _depth:
                for name, function in _stock.items():
                    setattr(gc, name, function)


def _nothing(*_: object) -> int:
    return 0


def collect() -> None:
    """Run a full collection.

    While another thread collects, `gc.collect()` returns at once and collects nothing, so this waits and retries.
    """
    deadline = time.monotonic() + LONGEST_WAIT
    while True:
        before = gc.get_stats()[-1]["collections"]
        _collect()
        if gc.get_stats()[-1]["collections"] > before or time.monotonic() > deadline:
            return
        time.sleep(0.001)


def freeze() -> None:
    """Freeze all live objects until `unfreeze`; does nothing when called again."""
    global _frozen
    if _frozen is None:
        users = gc.get_freeze_count()
        gc.freeze()
        _frozen = 0 if users else gc.get_freeze_count()


def unfreeze() -> None:
    """Undo `freeze`, unless the user has frozen objects too, before or since."""
    global _frozen
    if _frozen is not None and 0 < gc.get_freeze_count() <= _frozen:
        gc.unfreeze()
    _frozen = None


@contextmanager
def infrequent_gc() -> Iterator[None]:
    """Collect garbage rarely: a chunk of records creates tens of thousands of small objects that are freed with it.

    Saves 4 % of a file run.
    """
    before = gc.get_threshold()
    gc.set_threshold(50_000, 20, 20)
    try:
        yield
    finally:
        gc.set_threshold(*before)

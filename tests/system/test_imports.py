"""Imports of large libraries: when garbage is looked for."""

from __future__ import annotations

import gc

import pytest

from vtag.system.imports import gc_paused


def test_no_garbage_is_looked_for_inside_and_again_after_whatever_happens() -> None:
    def import_what_is_not_there() -> None:
        with gc_paused():
            assert not gc.isenabled()
            raise ImportError

    assert gc.isenabled()
    with pytest.raises(ImportError):
        import_what_is_not_there()
    assert gc.isenabled()


def test_who_had_switched_it_off_finds_it_off() -> None:
    gc.disable()
    try:
        with gc_paused():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()

"""Whether this process keeps the memory that it has freed."""

from __future__ import annotations

import ctypes

import torch

# glibc's names and defaults, from malloc.h.
M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_THRESHOLD = -1, -2, -3
TRIM_THRESHOLD = TOP_PAD = 128 << 10
KEPT = 512 << 20
# Threads other than the main one allocate in heaps of 64 MiB, and return each heap when it is empty, unless they must
# keep that much in reserve. (This is address space: untouched pages take no memory.)
HEAP = 64 << 20


def keep_freed() -> None:
    """Keep freed blocks for the next layer.

    By default glibc returns each large block to the system, which zeroes it page by page when the next layer asks for
    one: a tenth of the time of a small model. Without glibc this does nothing.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(M_MMAP_THRESHOLD, KEPT)
        mallopt(M_TRIM_THRESHOLD, KEPT)
        mallopt(M_TOP_PAD, HEAP)


def give_back_freed() -> None:
    """Return freed blocks to the system from now on, as glibc does by default."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(M_TRIM_THRESHOLD, TRIM_THRESHOLD)
        mallopt(M_TOP_PAD, TOP_PAD)


def trim() -> None:
    """Return the memory of all free blocks: on a GPU what torch caches, on the host free pages (8 ms; glibc only)."""
    if torch.cuda.is_initialized():
        torch.cuda.empty_cache()  # vLLM starts the next engine only where enough of the GPU is free
    malloc_trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if malloc_trim is not None:
        malloc_trim(0)

"""What this process does with the memory it has freed."""

from __future__ import annotations

import ctypes

import torch

# glibc's names for them, and what it has by itself, from malloc.h.
M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_THRESHOLD = -1, -2, -3
TRIM_THRESHOLD = TOP_PAD = 128 << 10
KEPT = 512 << 20
# A thread that is not the main one has its memory in heaps of 64 MiB, each given back once it is empty, unless it is to
# have as much in reserve. (Address space: what is not touched takes no memory.)
HEAP = 64 << 20


def keep_freed() -> None:
    """Keep freed blocks for the next layer.

    glibc gives each large block back to the system, which zeroes it page by page when the next layer asks for one:
    a tenth of the time of a small model. Elsewhere than on glibc nothing happens.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(M_MMAP_THRESHOLD, KEPT)
        mallopt(M_TRIM_THRESHOLD, KEPT)
        mallopt(M_TOP_PAD, HEAP)


def give_back_freed() -> None:
    """Give what is freed from now on back to the system, as glibc does by itself."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(M_TRIM_THRESHOLD, TRIM_THRESHOLD)
        mallopt(M_TOP_PAD, TOP_PAD)


def trim() -> None:
    """Give back the memory of all blocks that are free: of a GPU what torch keeps, and pages of the host (8 ms; with
    glibc alone).
    """
    if torch.cuda.is_initialized():
        torch.cuda.empty_cache()  # vLLM's next engine starts only where enough of the GPU is free
    malloc_trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if malloc_trim is not None:
        malloc_trim(0)

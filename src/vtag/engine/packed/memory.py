"""What this process does with the memory it has freed."""

from __future__ import annotations

import ctypes

# glibc's names for them, from malloc.h.
M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_THRESHOLD = -1, -2, -3
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

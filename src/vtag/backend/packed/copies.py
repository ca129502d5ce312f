"""Arrays that the host computes for the device: positions, indices, offsets."""

from __future__ import annotations

import numpy as np
import torch


def on_device(numbers: np.ndarray, device: torch.device) -> torch.Tensor:
    """The array on the device. A copy to a GPU goes through pinned memory and is queued: from pageable memory the host
    would wait for it, and for all work queued before
    (https://docs.pytorch.org/docs/stable/notes/cuda.html#use-pinned-memory-buffers).
    """
    tensor = torch.from_numpy(numbers)
    return tensor.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tensor.to(device)

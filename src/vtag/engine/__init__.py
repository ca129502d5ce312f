"""Everything that knows vLLM."""

import logging
import os

from vtag.compat.names import TRITON_LOGGER

# torch reads it once, when it is first imported: no notes of its C++ side about memory binding.
os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")
# So does OpenMP: how long its workers spin for the next product before they sleep. Its own 300,000 rounds gain
# nothing, and cost most of the speed beside a program that keeps one of two cores busy (docs/measurements.md).
if "OMP_WAIT_POLICY" not in os.environ:
    os.environ.setdefault("GOMP_SPINCOUNT", "20000")
# Nor that a CPU has no Triton.
logging.getLogger(TRITON_LOGGER).setLevel(logging.ERROR)

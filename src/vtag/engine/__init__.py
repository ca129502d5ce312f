"""Everything that knows vLLM."""

import logging
import os

# torch reads it once, when it is first imported: no notes of its C++ side about memory binding.
os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")
# Nor that a CPU has no Triton.
logging.getLogger("torch._library.triton").setLevel(logging.ERROR)

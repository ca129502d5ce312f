"""Environment variables and log levels: those that torch and OpenMP read at import, and those of an engine's start."""

from __future__ import annotations

import logging
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

from vtag.compat.names import TRITON_LOGGER
from vtag.system import device

# Set while an engine starts.
ENVIRONMENT = {
    # One process: it starts in a third of the time, and scripts need no main guard.
    "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
    # A packed request holds many texts, and is longer than the model's limit.
    "VLLM_ALLOW_LONG_MAX_MODEL_LEN": "1",
    "VLLM_LOGGING_LEVEL": "ERROR",
    "VLLM_NO_USAGE_STATS": "1",
}


def set_before_torch() -> None:
    """Set the variables that torch and OpenMP read once, at import; values that the user has set stay."""
    # Silences warnings of torch's C++ code about memory binding.
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")
    # Rounds that OpenMP's workers spin for the next task before they sleep. The default of 300,000 gains nothing, and
    # costs most of the speed beside a program that keeps one of two cores busy (benchmarks/LOG.md).
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", "20000")
    # Silences the warning that a CPU has no Triton.
    logging.getLogger(TRITON_LOGGER).setLevel(logging.ERROR)


@contextmanager
def for_engine() -> Iterator[None]:
    """Set the environment while an engine starts, and restore it afterwards for other uses of vLLM."""
    wanted = {name: os.environ.get(name, value) for name, value in ENVIRONMENT.items()}
    # By default vLLM leaves a core idle (read only where the engine has its own process).
    all_cores = ",".join(map(str, device.cores()))
    wanted["VLLM_CPU_OMP_THREADS_BIND"] = os.environ.get("VLLM_CPU_OMP_THREADS_BIND", all_cores)
    plugins = os.environ.get("VLLM_PLUGINS")
    if plugins is not None and "vtag" not in plugins.split(","):
        wanted["VLLM_PLUGINS"] = f"{plugins},vtag"
    before = {name: os.environ.get(name) for name in wanted}
    hook = sys.excepthook  # torch.distributed installs a hook that prefixes each line with "[rank0]"
    os.environ.update(wanted)
    try:
        with quiet() if wanted["VLLM_LOGGING_LEVEL"] == "ERROR" else nullcontext():
            yield
    finally:
        sys.excepthook = hook
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@contextmanager
def quiet() -> Iterator[None]:
    """Suppress log records below ERROR, progress bars and FutureWarnings."""
    from transformers.utils import logging as transformers_logging

    from vtag.compat.torch_cpu import no_warnings_in_cpp

    loggers = [logging.getLogger(name) for name in ("vllm", "torch", "transformers")]
    levels = [logger.level for logger in loggers]
    bars = transformers_logging.is_progress_bar_enabled()
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    transformers_logging.disable_progress_bar()
    try:
        with warnings.catch_warnings(), no_warnings_in_cpp():
            warnings.simplefilter("ignore", FutureWarning)
            yield
    finally:
        if bars:
            transformers_logging.enable_progress_bar()
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)

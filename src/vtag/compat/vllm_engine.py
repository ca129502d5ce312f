"""vLLM internals around engines: their client, their end, their model classes, and why one did not start."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import torch
import vllm
from vllm import ModelRegistry
from vllm.distributed import parallel_state
from vllm.inputs import tokens_input
from vllm.utils.system_utils import get_mp_context
from vllm.v1.engine.core import EngineCoreProc

# The executor that runs the model in the engine's own process.
NO_WORKER = "uni"


class CheckedLLM(vllm.LLM):
    """vLLM's LLM, with a check of each prompt before it reaches the engine."""

    def _check_prompt(self, tokens: int, params: Any) -> None:
        """Raise for a prompt that must not run."""

    def _add_request(self, prompt: Any, params: Any, *args: Any, **kwargs: Any) -> str:
        self._check_prompt(len(prompt["prompt_token_ids"]), params)
        return str(super()._add_request(prompt, params, *args, **kwargs))


def client_of(engine: Any) -> Any:
    """The client between vLLM's LLMEngine and the engine core, in this process or in another."""
    return engine.engine_core


def prompt_of(ids: list[int]) -> Any:
    """Token ids as a prompt that vLLM does not process again."""
    return tokens_input(ids)


# --- model classes ---


def known_architectures() -> set[str]:
    """Names of the model classes that vLLM knows."""
    return set(ModelRegistry.models)


def model_class(name: str) -> type[Any]:
    """The model class of this name; imports it."""
    cls: type[Any] = ModelRegistry.models[name].load_model_cls()
    return cls


# --- process groups of the engines in this process ---


def add_expert_group() -> None:
    """Make the expert parallel group if this process's groups lack it.

    vLLM makes its groups for the first model of a process, and this one only if that model is a mixture of experts. A
    later one would not start without it.
    """
    if parallel_state.model_parallel_is_initialized() and parallel_state._EP is None:
        world = parallel_state.get_world_group()
        backend = torch.distributed.get_backend(world.device_group)
        parallel_state._EP = parallel_state.init_model_parallel_group(
            [world.ranks], world.local_rank, backend, group_name="ep"
        )


# --- the end of an engine ---


def in_process_core(client: Any) -> Any:
    """The engine core if it is in this process, else None."""
    return getattr(client, "engine_core", None)


def finalizer(client: Any) -> tuple[str, weakref.finalize]:
    """The finalizer that ends the client's engine, and the attribute that holds it."""
    held = {name: value for name, value in vars(client).items() if isinstance(value, weakref.finalize)}
    ((name, found),) = held.items()
    return name, found


def detach(client: Any) -> None:
    """Never end the engine of this client from this process."""
    finalizer(client)[1].detach()


def end(client: Any) -> None:
    """End the engine now; does nothing when called again."""
    finalizer(client)[1]()


def replace_finalizer(client: Any, end: Callable[[Any], None], core: Any) -> None:
    """Call `end(core)` where vLLM would end the engine, but not at process exit, which frees everything anyway."""
    name, stock = finalizer(client)
    stock.detach()
    ours = weakref.finalize(client, end, core)
    ours.atexit = False
    setattr(client, name, ours)


def stop_workers(core: Any) -> None:
    """End the engine, but keep the process's distributed groups, which other engines use."""
    core.model_executor.shutdown()
    core.scheduler.shutdown()


def rendezvous(core: Any) -> Path | None:
    """The file behind the engine's process groups, if it is a file."""
    worker = getattr(core.model_executor, "driver_worker", None)  # None where the workers are processes
    scheme, _, path = getattr(worker, "distributed_init_method", "").partition("://")
    return Path(path) if scheme == "file" else None


# --- an engine in a process of its own ---


def forks() -> bool:
    """Whether vLLM would fork the engine's process: it is configured to, and nothing prevents it."""
    return bool(get_mp_context().get_start_method() == "fork")


@contextmanager
def forked_within(around: Callable[[], AbstractContextManager[None]]) -> Iterator[None]:
    """Processes that are forked for engines in this context run inside `around()`."""
    stock = EngineCoreProc.run_engine_core

    def run_engine_core(*args: Any, **kwargs: Any) -> None:
        with around():
            stock(*args, **kwargs)

    EngineCoreProc.run_engine_core = staticmethod(run_engine_core)
    try:
        yield
    finally:
        EngineCoreProc.run_engine_core = staticmethod(stock)

"""The inside of vLLM's engines: their client, their end, their model classes, and why one did not start."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import vllm
from vllm import ModelRegistry
from vllm.inputs import tokens_input
from vllm.utils.system_utils import get_mp_context
from vllm.v1.engine.core import EngineCoreProc

# Executor of an engine that runs its model itself, without a worker process.
NO_WORKER = "uni"


class CheckedLLM(vllm.LLM):
    """vLLM's LLM, which asks `_check_prompt` before a request reaches the engine."""

    def _check_prompt(self, tokens: int, params: Any) -> None:
        """Raise for a prompt that may not run."""

    def _add_request(self, prompt: Any, params: Any, *args: Any, **kwargs: Any) -> str:
        self._check_prompt(len(prompt["prompt_token_ids"]), params)
        return str(super()._add_request(prompt, params, *args, **kwargs))


def client_of(engine: Any) -> Any:
    """What stands between vLLM's LLMEngine and the engine itself, in this process or in another."""
    return engine.engine_core


def prompt_of(ids: list[int]) -> Any:
    """Token ids as the prompt that is not looked at again."""
    return tokens_input(ids)


# --- model classes ---


def known_architectures() -> set[str]:
    """Names of the model classes that vLLM knows."""
    return set(ModelRegistry.models)


def model_class(name: str) -> type[Any]:
    """The model class of this name, imported."""
    made: type[Any] = ModelRegistry.models[name].load_model_cls()
    return made


# --- the end of an engine ---


def own_core(client: Any) -> Any:
    """The engine itself where it is in this process, else None."""
    return getattr(client, "engine_core", None)


def finalizer(client: Any) -> tuple[str, weakref.finalize]:
    """What vLLM calls once nobody refers to the client, and the attribute that holds it."""
    held = {name: value for name, value in vars(client).items() if isinstance(value, weakref.finalize)}
    ((name, found),) = held.items()
    return name, found


def leave_alone(client: Any) -> None:
    """Never end the engine of this client from this process."""
    finalizer(client)[1].detach()


def end(client: Any) -> None:
    """End the engine now; nothing where that was done already."""
    finalizer(client)[1]()


def end_with(client: Any, end: Callable[[Any], None], core: Any) -> None:
    """Call `end(core)` where vLLM would end the engine; not at the end of the process, which frees all it has."""
    name, stock = finalizer(client)
    stock.detach()
    ours = weakref.finalize(client, end, core)
    ours.atexit = False
    setattr(client, name, ours)


def stop_workers(core: Any) -> None:
    """End the engine, but for the distributed groups of the process, which other engines use."""
    core.model_executor.shutdown()
    core.scheduler.shutdown()


def rendezvous(core: Any) -> Path | None:
    """The file by which the engine's processes find each other, where it is a file."""
    worker = getattr(core.model_executor, "driver_worker", None)  # none where the workers are processes
    scheme, _, path = getattr(worker, "distributed_init_method", "").partition("://")
    return Path(path) if scheme == "file" else None


# --- an engine in a process of its own ---


def forks() -> bool:
    """Whether vLLM would start an engine's process as a fork: it was asked to, and nothing is in the way."""
    return bool(get_mp_context().get_start_method() == "fork")


@contextmanager
def forked_within(around: Callable[[], AbstractContextManager[None]]) -> Iterator[None]:
    """Engines' processes that are forked meanwhile do all their work within `around()`."""
    stock = EngineCoreProc.run_engine_core

    def run_engine_core(*args: Any, **kwargs: Any) -> None:
        with around():
            stock(*args, **kwargs)

    EngineCoreProc.run_engine_core = staticmethod(run_engine_core)
    try:
        yield
    finally:
        EngineCoreProc.run_engine_core = staticmethod(stock)

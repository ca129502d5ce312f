"""`vtag serve MODEL`: spans over HTTP."""

from __future__ import annotations

import argparse
import multiprocessing
import os
import re
import resource
import shutil
import signal
import socket
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from types import FrameType
from typing import Any, NoReturn

from vtag.cli import engine
from vtag.errors import INTERRUPTED, error
from vtag.serve.limits import FIXED, Limits

LIMITS = {
    "body_bytes": "bytes of a request's body",
    "values": "JSON values of a body: words, texts, numbers, objects",
    "texts": "texts of a request",
    "characters": "characters of a text",
    "tokens": "tokens in all windows of a request",
    "scores": "scores in an answer (top_k, return_tokens, /pooling)",
    "requests": "requests under way at once; more get 429",
}
# Twice the number of files that an idle server has open.
LEAST_FILES = 256
SHARED_MEMORY = "/dev/shm"


def parser(new: argparse.ArgumentParser) -> argparse.ArgumentParser:
    """The arguments of `vtag serve`."""
    new.add_argument("model", metavar="MODEL", help="a folder, a hub id, or demo")
    new.add_argument("--host", default="127.0.0.1", help="address to listen at (default: this machine only)")
    new.add_argument("--port", type=int, default=8000, help="port to listen at; 0: any free port (default: 8000)")
    new.add_argument(
        "--api-key",
        metavar="KEY",
        action="append",
        help="require this key; may be repeated (default: VLLM_API_KEY, or none)",
    )
    for name, says in LIMITS.items():
        most = getattr(Limits(), name)
        new.add_argument(_option(name), metavar="N", type=int, default=most, help=f"most {says} (default: {most})")
    new.add_argument(
        "--allowed-host",
        metavar="NAME",
        action="append",
        default=[],
        help="an accepted Host name, as behind a proxy; may be repeated (default: local names, if --host is local)",
    )
    new.add_argument(
        "--cors-origin",
        metavar="ORIGIN",
        action="append",
        default=[],
        help="origin of web pages that may call it, such as https://app.example.com; may be repeated (default: none)",
    )
    new.add_argument(
        "--policy",
        metavar="FILE",
        help="TOML or JSON: how /v1/redact, the playground and LiteLLM's guardrail redact (default: [LABEL] for all)",
    )
    new.add_argument(
        "--access-log",
        metavar="FORMAT",
        nargs="?",
        const="plain",
        choices=("plain", "json"),
        help="one line per request on stderr, without texts: plain (default) or json",
    )
    engine.add_options(new)
    new.formatter_class = argparse.RawDescriptionHelpFormatter
    fixed = (f"  {says}: {most} (then {then})" for says, (most, then) in FIXED.items())
    new.epilog = "limits that no option changes:\n" + "\n".join(fixed)
    return new


def run(args: argparse.Namespace, listening: Callable[[str], None] = lambda url: None) -> int:
    """Serve until stopped; `listening` is called with the server's address once it answers there."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _end)
    limits = {name: getattr(args, f"max_{name}") for name in LIMITS}
    for name, most in limits.items():
        if most < 1:
            raise error("bad_limit", option=_option(name), least=1)
    if "" in (args.api_key or ()):
        raise error("empty_key")
    for origin in args.cors_origin:
        if not re.fullmatch(r"https?://[^/?#@\s]+", origin):
            raise error("bad_origin")
    keys = args.api_key or [key for key in [os.environ.get("VLLM_API_KEY")] if key]
    arguments = engine.arguments(args)
    folder = Path(args.model).expanduser()
    # The model's name is the folder's own name, not the path to it.
    name = arguments.setdefault("served_model_name", folder.resolve().name if folder.is_dir() else args.model)
    if arguments.get("enable_lora"):
        raise error("serve_lora")
    if (arguments.pop("api_server_count", None) or 1) > 1:
        raise error("several_servers")
    _check_environment()
    try:
        code = _serve(args, name, arguments, Limits(**limits), keys, listening)
    except KeyboardInterrupt:
        code = INTERRUPTED
    # Skip the interpreter's shutdown, which would wait for a thread that works on a long text.
    sys.stdout.flush()
    os._exit(code)


def _serve(
    args: argparse.Namespace,
    name: str,
    arguments: dict[str, Any],
    limits: Limits,
    keys: list[str],
    listening: Callable[[str], None],
) -> int:
    from vtag.redact.policy import load

    policy = load(args.policy)
    with _bound(args.host, args.port) as sock, _temporary_folder():
        engine.check_model_path(args)
        from vtag.model.plan import make_plan

        plan = make_plan(args.model, **arguments)
        from vtag.serve.pipeline.redaction import Redaction

        redaction = Redaction(plan.tagger.names.of_spans, policy)
        from vtag.serve.http.middleware import AccessPolicy, is_local
        from vtag.serve.launcher import serve
        from vtag.serve.plugin import ServeConfig

        def listens() -> None:
            url = _url(sock)
            _say(name, url, sock, bool(keys))
            listening(url)

        local = is_local(_address(sock))
        access = AccessPolicy(keys, local, {host.lower() for host in args.allowed_host}, set(args.cors_origin))
        return serve(ServeConfig(plan, [name], limits, redaction, args.access_log), sock, access, listens)


def _check_environment() -> None:
    """Raise EngineError without writable folders, or with a low limit of open files: vLLM would fail later."""
    try:
        folder = tempfile.gettempdir()
    except OSError as cause:
        raise error("no_temporary_folder", folder=os.environ.get("TMPDIR", "/tmp"), reason=_why(cause)) from cause
    for place, kind in ((folder, "no_temporary_folder"), (SHARED_MEMORY, "no_shared_memory")):
        if not os.path.isdir(place):
            continue
        try:
            tempfile.TemporaryFile(dir=place).close()
        except OSError as cause:
            raise error(kind, folder=place, reason=_why(cause)) from cause
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:  # each connection is an open file
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if 0 <= limit < LEAST_FILES:
        raise error("few_files", limit=limit, least=LEAST_FILES)


def _why(cause: OSError) -> str:
    return (cause.strerror or type(cause).__name__).lower()


def _option(limit: str) -> str:
    return f"--max-{limit.replace('_', '-')}"


def _bound(host: str, port: int) -> socket.socket:
    """A socket bound to this address, before anything is loaded, so that a taken port is reported at once."""
    try:
        if not 0 <= port < 1 << 16:
            raise OverflowError
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        sock = socket.socket(family, kind, protocol)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(address)
    except (OSError, OverflowError) as cause:
        reason = getattr(cause, "strerror", None) or "no such port"
        raise error("port_taken", host=host, port=port, reason=reason.lower()) from cause
    return sock


def _address(sock: socket.socket) -> str:
    """The address in a URL."""
    host: str = sock.getsockname()[0]
    return f"[{host}]" if ":" in host else host


def _url(sock: socket.socket) -> str:
    """The URL for this machine."""
    here = {"0.0.0.0": "127.0.0.1", "[::]": "[::1]"}.get(_address(sock), _address(sock))
    return f"http://{here}:{sock.getsockname()[1]}"


def _say(model: str, url: str, sock: socket.socket, key: bool) -> None:
    header = " -H 'Authorization: Bearer KEY'" if key else ""
    print(f"{model} is served at {url} (its page: {url}/playground, its routes: {url}/docs). To try it:\n")
    print(f"curl {url}/v1/tag{header} -H 'Content-Type: application/json' \\")
    print("""     -d '{"input": "Call Ann on 555-0100."}'""", flush=True)
    if sock.getsockname()[0] not in ("127.0.0.1", "::1") and not key:
        print("\nvtag: anyone who reaches this port may use it: --api-key requires a key", file=sys.stderr)


@contextmanager
def _temporary_folder() -> Iterator[None]:
    """A folder for temporary files that is removed at the end: vLLM leaves its sockets and a file behind."""
    before = tempfile.tempdir
    with TemporaryDirectory(prefix="vtag-", ignore_cleanup_errors=True) as folder:
        tempfile.tempdir = folder  # also for the engine, which is a fork
        sockets = os.environ.setdefault("VLLM_RPC_BASE_PATH", folder)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, partial(_end, folder=folder))
        try:
            yield
        finally:
            tempfile.tempdir = before
            if sockets == folder:
                del os.environ["VLLM_RPC_BASE_PATH"]


def _end(number: int, frame: FrameType | None, folder: str | None = None) -> NoReturn:
    """Exit at once on SIGTERM during imports: half-imported libraries turn exceptions into other errors."""
    for engine_process in multiprocessing.active_children():
        engine_process.kill()
    if folder:
        shutil.rmtree(folder, ignore_errors=True)
    os._exit(0 if number == signal.SIGTERM else INTERRUPTED)

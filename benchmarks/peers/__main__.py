"""vtag beside what people would use instead, from text to spans and to logits alone, on the same cores in turns.

    make bench                       # python benchmarks/peers demo
    python benchmarks/peers MODEL [--shape base|minilm|tiny] [--texts FILE.jsonl...] [--words 8] [--json FILE]
    python benchmarks/peers MODEL --shape tiny --words 8 --count 8000 --fresh --only vtag "by hand"

Each system is a process of its own, stopped (SIGSTOP) while others work, and set as fast as it goes; the scripts of
peers lie beside this one, in an environment of their own (.venv-bench, requirements/bench.txt). All but vtag make spans
by Hugging Face's aggregation, "simple". A slow system gets every n-th of the texts. With --fresh each pass is the first
one of a new process, after 64 other texts.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

HERE, ROOT = Path(__file__).parent, Path(__file__).parent.parent.parent
sys.path.append(str(ROOT / "benchmarks"))

from texts import read  # noqa: E402

from vtag.bench.models import SHAPES, random_weights  # noqa: E402
from vtag.bench.texts import TEXTS  # noqa: E402

SECONDS = 4.0  # of a pass


class Peer(NamedTuple):
    """What is run, and in which precision its products are."""

    name: str
    precision: str
    script: str
    arguments: tuple[str, ...]


PEERS = (
    Peer("Hugging Face pipeline, batch 1", "float32", "hf", ("1",)),
    Peer("Hugging Face pipeline, batch 32", "float32", "hf", ("32",)),
    Peer("Hugging Face by hand", "float32", "hf", ("float32",)),
    Peer("ONNX Runtime", "float32", "ort", ("float32",)),
    Peer("vtag", "float32", "ours", ("float32",)),
    Peer("vLLM as shipped", "float16", "stock", ("shipped",)),
    Peer("Hugging Face by hand", "bfloat16", "hf", ("bfloat16",)),
    Peer("OpenVINO", "bfloat16", "ov", ("bfloat16",)),
    Peer("vLLM by hand", "bfloat16", "stock", ("tuned",)),
    Peer("vtag", "bfloat16", "ours", ("bfloat16",)),
    Peer("ONNX Runtime", "int8", "ort", ("int8",)),
    Peer("OpenVINO", "int8", "ov", ("int8",)),
    Peer("vtag", "int8", "ours", ("int8",)),
)


class System:
    """A peer's process, running only while it is asked."""

    def __init__(self, peer: Peer, process: subprocess.Popen[str]) -> None:
        self.peer = peer
        self.process = process
        self.settings = ""
        self.step = 1
        self.found = {True: 0.0, False: 0.0}  # spans a text: that all did the same work; tokens, where asked for logits

    def ask(self, **what: Any) -> Any:
        """Its answer."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        os.killpg(self.process.pid, signal.SIGCONT)
        self.process.stdin.write(json.dumps(what) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            sys.exit(f"{self.peer.name}, {self.peer.precision}: it ended")
        os.killpg(self.process.pid, signal.SIGSTOP)
        return json.loads(line)

    def speed(self, texts: Sequence[str], spans: bool) -> float:
        """Texts a second of one pass."""
        mine = texts[:: self.step]
        answer = self.ask(texts=mine, spans=spans)
        self.found[spans] = answer["found"] / len(mine)
        return len(mine) / float(answer["seconds"])


@contextmanager
def started(peer: Peer, model: Path, texts: Sequence[str]) -> Iterator[System]:
    """The peer, loaded and set by the texts."""
    python = sys.executable if peer.script == "ours" else str(ROOT / ".venv-bench" / "bin" / "python")
    process = subprocess.Popen(
        [python, str(HERE / f"{peer.script}.py"), *peer.arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=None if os.environ.get("VTAG_DEBUG") else subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )
    system = System(peer, process)
    try:
        system.settings = system.ask(model=str(model), texts=list(texts))["settings"]
        yield system
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", metavar="MODEL")
    parser.add_argument("--shape", choices=SHAPES)
    parser.add_argument("--texts", nargs="+", type=Path, default=[TEXTS], metavar="FILE.jsonl")
    parser.add_argument("--words", type=int, default=0)
    parser.add_argument("--count", type=int, default=2048)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--fresh", action="store_true")
    parser.add_argument("--only", nargs="+", default=[""], metavar="WORD", help="systems with one of these in the name")
    parser.add_argument("--precision", help="systems of this precision alone")
    parser.add_argument("--json", type=Path, metavar="FILE")
    args = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended from outside"))  # else stopped processes would stay
    texts = list(read(args.texts, args.count, args.words))
    peers = [peer for peer in PEERS if any(word in peer.name for word in args.only)]
    peers = [peer for peer in peers if args.precision in (None, peer.precision)]
    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder if args.shape else resolved(args.model))
        if args.shape:
            random_weights(args.model, args.shape, folder)
        measure = first_passes if args.fresh else in_turns
        rows = measure(peers, model, texts, args.rounds)
    about = f"{args.shape or args.model}, {len(texts)} texts, {args.rounds} rounds; {processor()}"
    print(about, table(rows), sep="\n\n")
    if args.json:
        title = {"base": "BERT-base", "minilm": "MiniLM (6 layers of 384)", "tiny": "2 layers of 128"}
        named = title.get(args.shape, args.model)
        args.json.write_text(json.dumps({"title": named, "about": about, "rows": rows}, indent=1) + "\n", "utf-8")


def in_turns(peers: Sequence[Peer], model: Path, texts: list[str], rounds: int) -> list[dict[str, Any]]:
    """All are started, warmed up and then take turns."""
    with ExitStack() as stack:
        systems = []
        for peer in peers:
            say(f"starting {peer.name}, {peer.precision}")
            system = stack.enter_context(started(peer, model, texts[::16]))
            system.step = max(1, round(len(texts) / (system.speed(texts[::16], True) * SECONDS)))
            systems.append(system)
        rows = [row(system.peer, system.settings, len(texts[:: system.step])) for system in systems]
        for number in range(rounds):
            for system, of in zip(systems, rows, strict=True):
                say(f"round {number + 1} of {rounds}: {system.peer.name}, {system.peer.precision}")
                for column in ("spans", "logits"):
                    of[column].append(system.speed(texts, column == "spans"))
                of["found"] = system.found[True]
    return rows


def first_passes(peers: Sequence[Peer], model: Path, texts: list[str], rounds: int) -> list[dict[str, Any]]:
    """Each figure is of a new process."""
    rows = [row(peer, "", len(texts)) for peer in peers]
    for number in range(rounds):
        for peer, of in zip(peers, rows, strict=True):
            for column in ("spans", "logits"):
                say(f"round {number + 1} of {rounds}: {peer.name}, {peer.precision}, {column}")
                others = [text[::-1] for text in texts[:1024]]
                with started(peer, model, others) as system:
                    system.speed(others[:64], column == "spans")
                    of[column].append(system.speed(texts, column == "spans"))
                    of["settings"], of["found"] = system.settings, max(of["found"], system.found[True])
    return rows


def row(peer: Peer, settings: str, texts: int) -> dict[str, Any]:
    """Of one system; spans and logits: texts a second, by round."""
    return {**peer._asdict(), "settings": settings, "texts": texts, "spans": [], "logits": [], "found": 0.0}


def table(rows: Sequence[dict[str, Any]]) -> str:
    """Medians with spread, and how each system was set."""
    lines = ["| precision | system | texts/s, spans | logits alone | spans a text |", "|---|---|---|---|---|"]
    for of in rows:
        cells = [f"{median(of[column]):,.0f} ({min(of[column]):,.0f}-{max(of[column]):,.0f})" for column in COLUMNS]
        lines.append(f"| {of['precision']} | {of['name']} | {' | '.join(cells)} | {of['found']:.2f} |")
    return "\n".join([*lines, "", *(f"- {of['name']}, {of['precision']}: {of['settings']}" for of in rows)])


COLUMNS = ("spans", "logits")


def resolved(model: str) -> Path:
    """The model's folder."""
    from vtag.model.demo import demo_model

    return demo_model() if model == "demo" else Path(model).resolve()


def processor() -> str:
    """The CPU."""
    from vtag.system import cpu, device

    return f"{cpu.describe()}, {len(device.cores())} cores"


def say(doing: str) -> None:
    """On stderr, with the time."""
    print(time.strftime("%H:%M:%S"), doing, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()

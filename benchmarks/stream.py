"""What a text costs through `LLM.tag_stream`, from text to spans: wall time, CPU time, page faults, memory.

    python benchmarks/stream.py MODEL --texts FILE.jsonl... [--count 16000] [--passes 4] [--shape tiny] [--words 8]
    python benchmarks/stream.py MODEL --texts FILE.jsonl... --shape tiny --words 8 --passes 1 --count 1000000
    python benchmarks/stream.py MODEL --texts FILE.jsonl... --shape tiny --words 8 --stages

To compare two versions run them in turn, several times. With --shape MODEL gives labels and tokenizer alone, and the
weights are random: tiny (2 layers of 128), minilm (6 of 384) or base (12 of 768). All texts are different: a number
stands behind each, or with --words each is so many words of the files' texts at random. The first pass comes after 64
other texts. With --stages: what each stage takes alone, one after the other, and what the engine spends its time on.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from statistics import median

from texts import read

from vtag import LLM
from vtag.bench.models import SHAPES, random_weights
from vtag.text.batching import BATCH_TEXTS

# So many texts are made before the clock runs. Of more, making them is part of the time: 5 µs each, and no memory.
HELD = 100_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", metavar="MODEL")
    parser.add_argument("--texts", nargs="+", type=Path, required=True, metavar="FILE.jsonl")
    parser.add_argument("--count", type=int, default=16_000)
    parser.add_argument("--passes", type=int, default=4)
    parser.add_argument("--shape", choices=SHAPES)
    parser.add_argument("--words", type=int, default=0)
    parser.add_argument("--stages", action="store_true")
    arguments = parser.parse_args()

    def texts() -> Iterator[str]:
        return read(arguments.texts, arguments.count, arguments.words)

    ready = list(texts()) if arguments.count <= HELD else None  # their making is not timed then

    with tempfile.TemporaryDirectory() as folder:
        model = random_weights(arguments.model, arguments.shape, folder) if arguments.shape else arguments.model
        llm = LLM(model)
        if arguments.stages:
            stages(llm, ready or list(texts()))
            return
        llm.tag([text[::-1] for text in islice(texts(), 64)])
        for number in range(arguments.passes):
            wall, cpu = time.perf_counter(), time.process_time()
            faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
            spans = sum(map(len, llm.tag_stream(ready or texts())))
            wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
            used = resource.getrusage(resource.RUSAGE_SELF)
            per_text = 1e6 / arguments.count
            print(
                f"pass {number}: {wall * per_text:.1f} µs a text, CPU {cpu * per_text:.1f}, "
                f"{used.ru_minflt - faults:,} page faults, {spans:,} spans, peak {used.ru_maxrss >> 10:,} MiB",
                flush=True,
            )


def stages(llm: LLM, texts: list[str]) -> None:
    """Print the µs a text of each stage, the median of five passes, and the engine's operators."""
    from torch.profiler import ProfilerActivity, profile

    parts = [texts[at : at + BATCH_TEXTS] for at in range(0, len(texts), BATCH_TEXTS)]
    taken: dict[str, list[float]] = {"prepare": [], "engine": [], "decode": []}
    for _ in range(6):
        sums = dict.fromkeys(taken, 0.0)
        for part in parts:
            begun = time.perf_counter()
            batch = llm.tagger.prepare(part)
            prepared = time.perf_counter()
            logits = llm.run(batch.windows)
            ran = time.perf_counter()
            llm.tagger.finish(batch, logits)
            for stage, seconds in zip(sums, (prepared - begun, ran - prepared, time.perf_counter() - ran), strict=True):
                sums[stage] += seconds
        for stage, seconds in sums.items():
            taken[stage].append(seconds * 1e6 / len(texts))
    print("µs a text: " + ", ".join(f"{stage} {median(of[1:]):.1f}" for stage, of in taken.items()))
    batches = [llm.tagger.prepare(part) for part in parts]

    def watched() -> str:
        with profile(activities=[ProfilerActivity.CPU]) as seen:
            for batch in batches:
                for _ in llm._runner._work(batch.windows, None, None):
                    pass
        found = sorted(seen.key_averages(), key=lambda event: -event.self_cpu_time_total)
        total = sum(event.self_cpu_time_total for event in found)
        return ", ".join(f"{event.key} {event.self_cpu_time_total / total:.1%}" for event in found[:12])

    print(llm._engine_thread._thread.submit(watched).result())


if __name__ == "__main__":
    main()

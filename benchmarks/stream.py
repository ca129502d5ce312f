"""What a text costs through `LLM.tag_stream`, from text to spans: wall time, CPU time, page faults.

    python benchmarks/stream.py MODEL --texts FILE.jsonl... [--count 16000] [--passes 4] [--shape tiny]

To compare two versions run them in turn, several times. With --shape MODEL gives labels and tokenizer alone, and the
weights are random: tiny (2 layers of 128) or minilm (6 of 384). A number behind each text makes all of them different.
"""

from __future__ import annotations

import argparse
import json
import resource
import tempfile
import time
from pathlib import Path

import torch
from transformers import AutoTokenizer, BertConfig, BertForTokenClassification

from vtag import LLM

SHAPES = {
    "tiny": {"num_hidden_layers": 2, "hidden_size": 128, "num_attention_heads": 2, "intermediate_size": 512},
    "minilm": {"num_hidden_layers": 6, "hidden_size": 384, "num_attention_heads": 12, "intermediate_size": 1536},
}


def read(files: list[Path], count: int) -> list[str]:
    """`count` different texts, made from those of the files."""
    lines = [json.loads(line) for file in files for line in file.read_text("utf-8").splitlines()]
    texts = [line.get("text") or " ".join(line["tokens"]) for line in lines]
    return [f"{texts[i % len(texts)]} {i}" for i in range(count)]


def random_weights(model: str, shape: str, folder: str) -> str:
    """A BERT of that shape with the tokenizer and the labels of `model`."""
    tokenizer = AutoTokenizer.from_pretrained(model)
    id2label = BertConfig.from_pretrained(model).id2label
    torch.manual_seed(0)
    config = BertConfig(
        **SHAPES[shape],
        vocab_size=len(tokenizer),
        id2label=id2label,
        label2id={label: i for i, label in id2label.items()},
    )
    BertForTokenClassification(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", metavar="MODEL")
    parser.add_argument("--texts", nargs="+", type=Path, required=True, metavar="FILE.jsonl")
    parser.add_argument("--count", type=int, default=16_000)
    parser.add_argument("--passes", type=int, default=4)
    parser.add_argument("--shape", choices=SHAPES)
    arguments = parser.parse_args()
    texts = read(arguments.texts, arguments.count)
    with tempfile.TemporaryDirectory() as folder:
        model = random_weights(arguments.model, arguments.shape, folder) if arguments.shape else arguments.model
        llm = LLM(model)
        for number in range(arguments.passes):
            wall, cpu = time.perf_counter(), time.process_time()
            faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
            spans = sum(map(len, llm.tag_stream(texts)))
            wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
            faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - faults
            per_text = 1e6 / len(texts)
            print(
                f"pass {number}: {wall * per_text:.1f} µs a text, CPU {cpu * per_text:.1f}, "
                f"{faults:,} page faults, {spans:,} spans",
                flush=True,
            )


if __name__ == "__main__":
    main()

"""How near real checkpoints come to Hugging Face: the label of every token, in float32 and in bfloat16.

    python benchmarks/checkpoints.py MODEL... --texts FILE.jsonl...

The reference is Hugging Face's own module in float32; texts of equal length share a batch, so nothing is padded. Lines
of the files have a "text", or "tokens" that are joined by spaces. Left out, and counted: texts longer than the model
takes, as Hugging Face would cut them, and texts with half of a surrogate pair.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from transformers import AutoModelForTokenClassification, AutoTokenizer

from vtag import LLM
from vtag.model.demo import demo_model

BATCH = 32


def read(files: Sequence[Path]) -> tuple[list[str], int]:
    """The different texts of the files, and how many cannot be encoded."""
    lines = (json.loads(line) for file in files for line in file.read_text("utf-8").splitlines())
    texts = dict.fromkeys(line.get("text") or " ".join(line.get("tokens", ())) for line in lines)
    sound = [text for text in texts if text.encode("utf-8", "replace").decode("utf-8") == text]
    return sound, len(texts) - len(sound)


@torch.inference_mode()
def hugging_face(folder: Path, ids: Sequence[Sequence[int]]) -> list[np.ndarray]:
    """Logits of each text in float32, [tokens, labels]."""
    model = AutoModelForTokenClassification.from_pretrained(folder, dtype=torch.float32).eval()
    of_length: dict[int, list[int]] = defaultdict(list)
    for i, row in enumerate(ids):
        of_length[len(row)].append(i)
    logits: list[np.ndarray] = [np.empty(0)] * len(ids)
    for same in of_length.values():
        for start in range(0, len(same), BATCH):
            batch = same[start : start + BATCH]
            for i, row in zip(batch, model(torch.tensor([ids[i] for i in batch])).logits, strict=True):
                logits[i] = row.numpy()
    return logits


def compare(name: str, texts: Sequence[str], unsound: int) -> str:
    """One line of the table."""
    folder = demo_model() if name == "demo" else Path(name)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    longest = LLM(folder, dtype="float32").tagger.max_length
    ids = tokenizer(list(texts), verbose=False)["input_ids"]
    kept = [i for i, row in enumerate(ids) if 0 < len(row) <= longest]
    expected = np.concatenate(hugging_face(folder, [ids[i] for i in kept]))
    cells = []
    for dtype in ("float32", "bfloat16"):
        llm = LLM(folder, dtype=dtype)
        got = np.concatenate([output.data for output in llm.encode([texts[i] for i in kept], use_tqdm=False)])
        equal = int((got.argmax(1) == expected.argmax(1)).sum())
        cells += [f"{equal:,} ({100 * equal / len(got):.3f} %)", f"{np.abs(got - expected).max():.1e}"]
        del llm
    out = len(texts) - len(kept) + unsound
    return f"| {folder.name} | {len(kept):,} | {out} | {len(expected):,} | {' | '.join(cells)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+", metavar="MODEL", help='a folder, or "demo"')
    parser.add_argument("--texts", nargs="+", type=Path, required=True, metavar="FILE.jsonl")
    arguments = parser.parse_args()
    texts, unsound = read(arguments.texts)
    print("| model | texts | left out | tokens | float32: labels equal | largest | bfloat16: labels equal | largest |")
    print("|---|---|---|---|---|---|---|---|")
    for name in arguments.models:
        print(compare(name, texts, unsound), flush=True)


if __name__ == "__main__":
    main()

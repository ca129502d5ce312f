"""Make the README's plot, docs/images/bench.svg, of what `make bench` has measured.

.venv-bench/bin/python scripts/plot.py benchmarks/results/bench-base.json benchmarks/results/bench-minilm.json
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from statistics import median
from typing import Any

import matplotlib

matplotlib.use("svg")
from matplotlib import pyplot

PLOT = Path(__file__).parent.parent / "docs" / "images" / "bench.svg"
COLOURS = {"float32": "#8c96a3", "float16": "#8c96a3", "bfloat16": "#3b78c4", "int8": "#2a9d6f"}


def main(files: list[str]) -> None:
    """A panel a file; a bar a system, as long as its texts/s to spans; vtag's are in full colour."""
    figure, panels = pyplot.subplots(1, len(files), figsize=(5.2 * len(files), 4.2), constrained_layout=True)
    for panel, file in zip(panels if len(files) > 1 else [panels], files, strict=True):
        measured: dict[str, Any] = json.loads(Path(file).read_text("utf-8"))
        rows = sorted(measured["rows"], key=lambda row: median(row["spans"]))
        for at, row in enumerate(rows):
            speed, ours = median(row["spans"]), row["name"] == "vtag"
            panel.barh(at, speed, color=COLOURS[row["precision"]], alpha=1 if ours else 0.45)
            panel.text(speed, at, f" {speed:,.0f}", va="center", fontweight="bold" if ours else "normal")
        panel.set_yticks(range(len(rows)), [f"{row['name']}, {row['precision']}" for row in rows])
        for label, row in zip(panel.get_yticklabels(), rows, strict=True):
            label.set_fontweight("bold" if row["name"] == "vtag" else "normal")
        panel.set_title(measured["title"], fontsize=11)
        panel.set_xlabel("texts/s, from text to spans")
        panel.margins(x=0.16)
        panel.spines[["top", "right"]].set_visible(False)
    pyplot.rcParams["svg.hashsalt"] = "vtag"
    figure.savefig(PLOT, metadata={"Date": None})


if __name__ == "__main__":
    main(sys.argv[1:])

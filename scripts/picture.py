"""Make the README's pictures from what the commands really show on a terminal, with the demo model.

python scripts/picture.py

docs/images/tagged.svg: `vtag tag demo --examples`. docs/images/run.svg: `vtag run` on 29,700 records (the texts of
tests/data/pii_synth_gold.jsonl a hundred times), interrupted on its way.
"""

from __future__ import annotations

import html
import json
import os
import pty
import re
import signal
import struct
import sys
import tempfile
import termios
from fcntl import ioctl
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parent.parent
PICTURE, RUN_PICTURE = ROOT / "docs" / "images" / "tagged.svg", ROOT / "docs" / "images" / "run.svg"
COMMAND = "vtag tag demo --examples"
RUN_COMMAND = "vtag run demo corpus.jsonl -o tagged.jsonl"
COLUMNS, CELL, LINE, MARGIN = 92, 8.4, 22, 16
STYLE = "font-family:ui-monospace,'DejaVu Sans Mono',Menlo,Consolas,monospace;font-size:14px;white-space:pre"
ESCAPE = re.compile(r"\x1b\[([\d;]*)m")


class Cell(NamedTuple):
    """One character and how it is painted; the background is an index into the 256 colours, or None."""

    character: str
    background: int | None
    bold: bool


def cells(ansi: str) -> list[Cell]:
    """The characters between the escape codes."""
    found: list[Cell] = []
    background, bold = None, False
    for at, part in enumerate(ESCAPE.split(ansi)):
        if at % 2 == 0:
            found.extend(Cell(character, background, bold) for character in part)
        else:
            codes = part.split(";")
            bold = codes[0] == "1"
            background = int(codes[-1]) if "48" in codes else None
    return found


def wrap(row: list[Cell], columns: int) -> list[list[Cell]]:
    """Lines of at most `columns` cells, broken at plain spaces."""
    lines = []
    while len(row) > columns:
        cut = max(i for i in range(columns + 1) if row[i].character == " " and row[i].background is None)
        lines.append(row[:cut])
        row = row[cut + 1 :]
    return [*lines, row]


def rgb(index: int) -> str:
    """A colour of the 6x6x6 cube."""
    levels = (0, 95, 135, 175, 215, 255)
    return "#{:02x}{:02x}{:02x}".format(*(levels[(index - 16) // step % 6] for step in (36, 6, 1)))


def svg(lines: list[list[Cell]]) -> str:
    """A dark terminal; each run of cells that are painted alike is one rectangle and one stretch of text."""
    width, height = COLUMNS * CELL + 2 * MARGIN, len(lines) * LINE + 2 * MARGIN
    drawn = ['<rect width="100%" height="100%" rx="8" fill="#1e1e1e"/>']
    for number, line in enumerate(lines):
        x, y = MARGIN + 0.0, MARGIN + number * LINE
        for (background, bold), group in groupby(line, key=lambda cell: (cell.background, cell.bold)):
            text = "".join(cell.character for cell in group)
            size = len(text) * CELL
            if background is not None:
                drawn.append(
                    f'<rect x="{x:.1f}" y="{y}" width="{size:.1f}" height="{LINE - 3}" fill="{rgb(background)}"/>'
                )
            fill, weight = ("#d4d4d4", "") if background is None else ("#111", ' font-weight="bold"' * bold)
            place = f'x="{x:.1f}" y="{y + 14.5}" textLength="{size:.1f}" xml:space="preserve"'
            drawn.append(f'<text {place} fill="{fill}"{weight}>{html.escape(text, quote=False)}</text>')
            x += size
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height}" style="{STYLE}">'
    return "\n".join([head, *drawn, "</svg>"]) + "\n"


def tagged() -> list[list[Cell]]:
    """The lines of the first picture."""
    from vtag import LLM
    from vtag.model.demo import EXAMPLES
    from vtag.view import colors, render_terminal

    with LLM("demo", dtype="float32") as llm:
        colors(llm.tagger.scheme.span_labels)  # as the command does, so that colors are those of every run
        spans = llm.tag(EXAMPLES)
    lines = [cells(f"$ {COMMAND}")]
    for text, row in zip(EXAMPLES, spans, strict=True):
        lines += [[], *wrap(cells(render_terminal(text, row)), COLUMNS)]
    return lines


def run() -> list[list[Cell]]:
    """The lines of the second one: a run that Ctrl-C stops half way, and the same command once more."""
    texts = [json.loads(line)["text"] for line in (ROOT / "tests" / "data" / "pii_synth_gold.jsonl").open("rb")]
    with tempfile.TemporaryDirectory() as folder:
        with open(f"{folder}/corpus.jsonl", "w", encoding="utf-8") as file:
            file.writelines(json.dumps({"id": i, "text": text}) + "\n" for i, text in enumerate(texts * 60))
        stopped = on_a_terminal(RUN_COMMAND, folder, stop_at="55%")
        finished = on_a_terminal(RUN_COMMAND, folder)
    shown = [f"$ {RUN_COMMAND}", *stopped, "", f"$ {RUN_COMMAND}", *finished]
    return [part for line in shown for part in wrap(cells(line), COLUMNS)]


def on_a_terminal(command: str, folder: str, stop_at: str | None = None) -> list[str]:
    """What a terminal of COLUMNS shows of a command in the end; with `stop_at`, Ctrl-C comes when it has shown that."""
    process, terminal = pty.fork()
    if not process:
        os.chdir(folder)
        arguments = command.split()[1:]
        os.execv(sys.executable, [sys.executable, "-m", "vtag", *arguments])
    ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, COLUMNS, 0, 0))
    shown = b""
    try:
        while data := os.read(terminal, 1 << 16):
            shown += data
            if stop_at and stop_at.encode() in shown:
                os.kill(process, signal.SIGINT)
                stop_at = None
    except OSError:  # what Linux says when the other end is closed
        pass
    os.waitpid(process, 0)
    lines = shown.decode().replace("\r\n", "\n").split("\n")
    return [last for line in lines if (last := line.rstrip("\r").split("\r")[-1].rstrip()) and "NUMA" not in line]


def main() -> None:
    PICTURE.write_text(svg(tagged()), "utf-8")
    RUN_PICTURE.write_text(svg(run()), "utf-8")


if __name__ == "__main__":
    main()

"""Draw docs/images/way.svg: the way of a text, and who uses it.

python scripts/diagram.py
"""

from __future__ import annotations

from html import escape
from pathlib import Path

PICTURE = Path(__file__).parent.parent / "docs" / "images" / "way.svg"
WIDTH, HEIGHT = 960, 330
# x, y, width, height, lines: the first one is the title; the class is its colour.
BOXES = (
    (20, 30, 150, 54, "caller", ["Python", "LLM.tag, tag_stream"]),
    (20, 98, 150, 54, "caller", ["files", "tag_files, vtag run"]),
    (20, 166, 150, 54, "caller", ["HTTP", "vtag serve"]),
    (20, 234, 150, 54, "caller", ["Ray", "Cluster, TagWorker"]),
    (
        230,
        78,
        180,
        164,
        "half",
        ["Tagger.prepare", "text/tokenize", "ids, offsets, words", "text/windows", "what the model takes"],
    ),
    (
        480,
        78,
        180,
        164,
        "engine",
        ["engine.run", "packed: many windows", "in one request", "native: vLLM's own", "decoder"],
    ),
    (
        730,
        78,
        210,
        164,
        "half",
        [
            "Tagger.finish",
            "decode/stitch, scores",
            "one row a token",
            "decode/scheme, viterbi, hf",
            "spans, or an error",
        ],
    ),
)
ARROWS = ((410, 160, 480, "windows"), (660, 160, 730, "logits"))
STYLE = """
text { font: 14px system-ui, "DejaVu Sans", sans-serif; fill: #1b1f24 }
.title { font-weight: 600 }
.small { font-size: 12.5px; fill: #3d444d }
rect { stroke: #59636e; stroke-width: 1 }
.page { fill: #ffffff; stroke: none }
.caller { fill: #eef1f5 }
.half { fill: #dbe8fb }
.engine { fill: #fdeecb }
path { stroke: #3d444d; stroke-width: 1.6; fill: none }
"""


def box(x: int, y: int, width: int, height: int, kind: str, lines: list[str]) -> str:
    """A box with its lines of text."""
    parts = [f'<rect class="{kind}" x="{x}" y="{y}" width="{width}" height="{height}" rx="8"/>']
    for number, line in enumerate(lines):
        style = "title" if number == 0 else "small"
        down = y + 24 + number * (20 if len(lines) == 2 else 29)
        parts.append(f'<text class="{style}" x="{x + 14}" y="{down}">{escape(line)}</text>')
    return "".join(parts)


def arrow(x: int, y: int, to: int, label: str) -> str:
    """An arrow to the right, with a word above it."""
    middle = (x + to) // 2
    return (
        f'<path d="M{x} {y}H{to - 3}M{to - 10} {y - 5}L{to - 3} {y}L{to - 10} {y + 5}"/>'
        f'<text class="small" text-anchor="middle" x="{middle}" y="{y - 9}">{label}</text>'
    )


def drawn() -> str:
    """The picture."""
    callers = [
        f'<path d="M170 {y + 27}C200 {y + 27} 200 160 226 160"/>' for _, y, _, _, kind, _ in BOXES if kind == "caller"
    ]
    back = (
        '<path d="M830 242V300H200"/><text class="small" x="520" y="294" text-anchor="middle">answers, in order</text>'
    )
    head = '<path d="M219 155L226 160L219 165M207 295L200 300L207 305"/>'
    parts = [*callers, head, *(box(*each) for each in BOXES), *(arrow(*each) for each in ARROWS), back]
    label = "All call Tagger.prepare; its windows go to the engine, and the logits to Tagger.finish"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" '
        f'role="img" aria-label="{label}"><style>{STYLE}</style>'
        f'<rect class="page" width="{WIDTH}" height="{HEIGHT}" rx="10"/>{"".join(parts)}</svg>\n'
    )


if __name__ == "__main__":
    PICTURE.write_text(drawn(), "utf-8")

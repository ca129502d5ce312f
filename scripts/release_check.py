"""Try what would be published: build sdist and wheel, install the wheel into a fresh environment, and use it.

    python scripts/release_check.py

The environment has nothing but the wheel, and finds the locked dependencies in the one that runs this. The wheel is
made of the sdist, as installers make it. What is run, from an empty folder: the lines of the document that vtag
implements, and `vtag tag demo`.
"""

from __future__ import annotations

import subprocess
import sys
import sysconfig
import tempfile
import venv
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
TEXT = "Call Ann on 555-0100."
DOCUMENT = """
from vllm import LLM

llm = LLM(model="demo", task="token_classification", model_config={"num_labels": 35})

outputs = llm.encode("The quick brown fox jumps over the lazy dog.")
token_logits = outputs[0].data

import torch

probabilities = torch.nn.functional.softmax(torch.tensor(token_logits), dim=-1)
print(*probabilities.shape)

import vtag

print(vtag.__file__)
"""


def run(*command: str | Path, **kwargs: Any) -> str:
    """What a command prints on stdout; raises where it fails."""
    return subprocess.run(list(map(str, command)), stdout=subprocess.PIPE, text=True, check=True, **kwargs).stdout


def main() -> None:
    uv = Path(sys.executable).with_name("uv")
    with tempfile.TemporaryDirectory(prefix="release-") as folder:
        built, fresh, empty = Path(folder, "dist"), Path(folder, "fresh"), Path(folder, "empty")
        empty.mkdir()
        run(uv, "build", "--quiet", "--out-dir", built, cwd=ROOT)
        (wheel,), (sdist,) = built.glob("*.whl"), built.glob("*.tar.gz")
        venv.create(fresh)
        python = fresh / "bin" / "python"
        run(uv, "pip", "install", "--quiet", "--python", python, "--no-deps", wheel)
        paths = sysconfig.get_paths(vars={"base": str(fresh), "platbase": str(fresh)})
        Path(paths["purelib"], "locked.pth").write_text(sysconfig.get_path("purelib"), "utf-8")
        shape, place = run(python, "-c", DOCUMENT, cwd=empty).splitlines()
        assert shape.endswith(" 35"), shape
        assert Path(place).is_relative_to(fresh), place
        spans = run(fresh / "bin" / "vtag", "tag", "demo", TEXT, cwd=empty)
        assert "[Ann GIVEN_NAME]" in spans, spans
        assert not list(empty.iterdir())
        print(f"{sdist.name} and {wheel.name}: built, installed and used")


if __name__ == "__main__":
    main()

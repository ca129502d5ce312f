"""Folders that are, or nearly are, models: for errors that must come before any engine starts."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from tests.parity.checkpoints import build


def nothing_in_it(folder: Path) -> None:
    (folder / "config.json").unlink()


def broken_config(folder: Path) -> None:
    (folder / "config.json").write_text("{", "utf-8")


def change_config(**fields: Any) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        path = folder / "config.json"
        path.write_text(json.dumps(json.loads(path.read_text("utf-8")) | fields), "utf-8")

    return change


def no_head(folder: Path) -> None:
    path = folder / "model.safetensors"
    weights = {name: tensor for name, tensor in load_file(path).items() if not name.startswith("classifier")}
    save_file(weights, path, metadata={"format": "pt"})


def no_weights(folder: Path) -> None:
    (folder / "model.safetensors").unlink()


def pickled_weights(folder: Path) -> None:
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    no_weights(folder)


# kind of the error -> what is done to a good two-label BERT to get it
SPOILED: dict[str, Callable[[Path], None]] = {
    "not_a_model": nothing_in_it,
    "bad_config": broken_config,
    "unsupported_architecture": change_config(model_type="vit"),
    "needs_more": change_config(model_type="layoutlm"),
    "sequence_classifier": change_config(architectures=["BertForSequenceClassification"]),
    "config_disagrees": change_config(id2label={"0": "O", "1": "A", "2": "B"}, label2id={"O": 0, "A": 1, "B": 2}),
    "remote_code": change_config(model_type="own", auto_map={"AutoConfig": "own.Config"}),
    "no_head": no_head,
    "no_weights": no_weights,
    "pickle_only": pickled_weights,
}


def good(folder: Path) -> Path:
    """A two-label BERT with random weights."""
    return Path(build("bert", folder, seed=1, num_labels=2))


def spoiled(kind: str, folder: Path) -> Path:
    """The same, with the fault of `kind`."""
    SPOILED[kind](good(folder))
    return folder


def in_hub_cache(cache: Path, hub_id: str) -> Path:
    """The same as Hugging Face's cache holds the hub's models; returns the snapshot's folder."""
    repository = cache / f"models--{hub_id.replace('/', '--')}"
    revision = "0" * 40
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text(revision, "utf-8")
    return good(repository / "snapshots" / revision)

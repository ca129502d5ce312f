"""A small model folder, and one where the hub's models lie. Broken ones: tests/hostile/models."""

from __future__ import annotations

from pathlib import Path

from tests.parity.checkpoints import build


def good(folder: Path) -> Path:
    """A two-label BERT with random weights."""
    return Path(build("bert", folder, seed=1, num_labels=2))


def in_hub_cache(cache: Path, hub_id: str) -> Path:
    """The same as Hugging Face's cache holds the hub's models; returns the snapshot's folder."""
    repository = cache / f"models--{hub_id.replace('/', '--')}"
    revision = "0" * 40
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text(revision, "utf-8")
    return good(repository / "snapshots" / revision)

"""Tags are read as seqeval reads them, in both of its modes; other spellings as what they mean."""

from __future__ import annotations

import json
import random
import subprocess
from pathlib import Path
from typing import Any

import pytest

from vtag.evaluation import exact
from vtag.evaluation.overlaps import Triple
from vtag.evaluation.tags import STRICT, entities, reading
from vtag.evaluation.tally import Tally

ROOT = Path(__file__).parents[2]
PYTHON = ROOT / ".venv-gateways" / "bin" / "python"
SENTENCES = 5_000


@pytest.mark.parametrize(
    ("tags", "found"),
    [
        ("I-PER I-PER O", [("PER", 0, 2)]),
        ("O I-PER", [("PER", 1, 2)]),
        ("B-PER I-LOC", [("PER", 0, 1), ("LOC", 1, 2)]),
        ("B-PER O E-PER", [("PER", 0, 1), ("PER", 2, 3)]),
        ("E-PER", [("PER", 0, 1)]),
        ("B-PER B-PER I-PER", [("PER", 0, 1), ("PER", 1, 3)]),
        ("S-PER S-PER", [("PER", 0, 1), ("PER", 1, 2)]),
        ("U-PER U-PER", [("PER", 0, 2)]),
        (". . B-PER .", [("PER", 2, 3)]),
        ("B-A-B I-A-B", [("A-B", 0, 2)]),
    ],
)
def test_without_a_scheme_any_tags_are_read_by_conlleval_s_rules(tags: str, found: list[Any]) -> None:
    assert entities(tags.split()) == found


@pytest.mark.parametrize(
    ("scheme", "tags", "found"),
    [
        ("IOB2", "I-PER I-PER O", []),
        ("IOB2", "B-PER I-LOC", [("PER", 0, 1)]),
        ("IOBES", "B-PER I-PER O", []),
        ("BILOU", "U-PER U-PER B-X L-X", [("PER", 0, 1), ("PER", 1, 2), ("X", 2, 4)]),
        ("IOB1", "B-PER I-PER", [("PER", 1, 2)]),
        ("IOE2", "I-PER E-PER", [("PER", 0, 2)]),
    ],
)
def test_a_scheme_drops_what_it_does_not_permit(scheme: str, tags: str, found: list[Any]) -> None:
    assert entities(tags.split(), scheme) == found


def test_a_prefix_that_the_scheme_lacks_is_an_error() -> None:
    with pytest.raises(ValueError, match="IOB2"):
        entities(["S-PER"], "IOB2")


@pytest.mark.parametrize(
    ("tags", "scheme", "found"),
    [
        ("U-PER U-PER B-PER L-PER O", "BIOES", [("PER", 0, 1), ("PER", 1, 2), ("PER", 2, 4)]),
        ("U-PER I-PER L-PER", "BIOES", [("PER", 0, 1), ("PER", 1, 3)]),
        ("B_PER I_PER O B_LOC I_LOC", "IOB2", [("PER", 0, 2), ("LOC", 3, 5)]),
        ("PER-B PER-I O LOC-B LOC-I", "IOB2", [("PER", 0, 2), ("LOC", 3, 5)]),
        ("B M E S O", "BIOES", [("ENTITY", 0, 3), ("ENTITY", 3, 4)]),
        ("B-PER O I-LOC", "IOB2", [("PER", 0, 1), ("LOC", 2, 3)]),
        ("DET NOUN VERB NOUN", "plain", [("DET", 0, 1), ("NOUN", 1, 2), ("VERB", 2, 3), ("NOUN", 3, 4)]),
        ("O O", "plain", []),
    ],
)
def test_gold_in_any_spelling_is_read_as_what_it_means(tags: str, scheme: str, found: list[Any]) -> None:
    read = reading(tags.split())
    assert not read.strange
    assert read.entities(tags.split()) == found
    assert read.scheme == scheme


def test_a_tag_without_a_prefix_beside_tags_with_one_is_strange() -> None:
    assert reading(["O", "B-PER", "I-PER", "B-LOC", "I-LOC", "MISC"]).strange == {"MISC"}


def cases(scheme: str | None, seed: int) -> list[tuple[str | None, list[list[str]], list[list[str]]]]:
    """Random sentences in parts of 50, gold and found; found ones are often gold with a few other tags."""
    chance = random.Random(seed)
    prefixes = STRICT[scheme].prefixes if scheme else chance.choice([row.prefixes for row in STRICT.values()])
    names = ["O" if prefix == "O" else f"{prefix}-{kind}" for prefix in prefixes for kind in ("PER", "LOC", "A-B")]
    found: list[tuple[str | None, list[list[str]], list[list[str]]]] = []
    for _ in range(SENTENCES // 50):
        gold = [chance.choices(names, k=chance.randint(1, 12)) for _ in range(50)]
        other = [[tag if chance.random() < 0.7 else chance.choice(names) for tag in sentence] for sentence in gold]
        found.append((scheme, gold, other))
    return found


@pytest.mark.long
@pytest.mark.parametrize("scheme", [None, *STRICT])
def test_entities_scores_and_report_equal_seqeval_on_5000_random_sentences(scheme: str | None) -> None:
    assert PYTHON.exists(), "make .venv-gateways/ready"
    given = cases(scheme, seed=len(scheme or ""))
    command = [PYTHON, Path(__file__).with_name("seqeval_oracle.py")]
    done = subprocess.run(command, input=json.dumps(given), capture_output=True, text=True, check=True)
    whole = 0
    for (_, gold, found), wanted in zip(given, json.loads(done.stdout), strict=True):
        sides: list[list[list[Triple]]] = []
        for name, side in (("gold", gold), ("found", found)):
            read = [entities(sentence, scheme) for sentence in side]
            assert [list(map(list, one)) for one in read] == wanted[name]
            sides.append([sorted((start, end, kind) for kind, start, end in one) for one in read])
        if wanted["scores"] is None:
            continue
        tally = Tally()
        for one, other in zip(*sides, strict=True):
            tally.add(one, [(*span, 0.5) for span in other])
        labels = tally.labels()
        micro = exact.total(labels.values())
        scores = {"micro": (micro.precision, micro.recall, micro.f1), **exact.averages(labels)}
        for name, row in wanted["scores"].items():
            assert scores[name] == pytest.approx(row, abs=1e-12)
        assert exact.table(labels) == wanted["report"].rstrip("\n")
        whole += 1
    assert whole > 90

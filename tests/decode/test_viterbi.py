"""Viterbi is exact: as brute force on small cases, and as itself without short cuts on long ones."""

from __future__ import annotations

import itertools
from dataclasses import fields

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.decode.schemes import make
from vtag.decode import scheme as schemes
from vtag.decode.scores import softmax
from vtag.decode.viterbi import Biases, best_paths

PRIVACY_FILTER = ["account_number", "private_person"]


def draw(rng: np.random.Generator, rows: int, labels: int, outside: float = 0.0) -> np.ndarray:
    logits = rng.normal(size=(rows, labels)).astype(np.float32) * 3
    logits[:, 0] += outside
    return softmax(logits)


def edge(found: schemes.Scheme, biases: Biases, p: int, q: int) -> float:
    """The bias of an edge of BIOES, spelled out."""
    if found.prefixes[q] in "IE":
        return biases.inside_to_continue if found.prefixes[q] == "I" else biases.inside_to_end
    if found.prefixes[p] == "O":
        return biases.background_stay if found.prefixes[q] == "O" else biases.background_to_start
    return biases.end_to_background if found.prefixes[q] == "O" else biases.end_to_start


def brute_force(found: schemes.Scheme, probabilities: np.ndarray, biases: Biases) -> list[int]:
    best, winner = -np.inf, []
    logp = np.log(probabilities.astype(np.float64))
    for path in itertools.product(range(len(found.labels)), repeat=len(logp)):
        if not found.start[path[0]] or not found.end[path[-1]]:
            continue
        if not all(found.transition[p, q] for p, q in itertools.pairwise(path)):
            continue
        score = logp[np.arange(len(path)), path].sum()
        if biases.spread:
            score += sum(edge(found, biases, p, q) for p, q in itertools.pairwise(path))
        if score > best + 1e-9:
            best, winner = score, list(path)
    return winner


@pytest.mark.parametrize("name", schemes.FAMILIES)
@pytest.mark.parametrize("outside", [0.0, 4.0])
def test_equals_brute_force(name: str, outside: float) -> None:
    rng = np.random.default_rng(7)
    found = make(name, ["A", "B-c"])
    for _ in range(25):
        lengths = rng.integers(0, 5, size=4)
        probabilities = draw(rng, int(lengths.sum()), len(found.labels), outside)
        path = best_paths(probabilities, lengths, found)
        expected = []
        for rows in np.split(probabilities, np.cumsum(lengths)[:-1]):
            expected += brute_force(found, rows, Biases()) if len(rows) else []
        assert path.tolist() == expected


@given(st.lists(st.floats(-4, 4), min_size=6, max_size=6), st.integers(0, 10**6), st.sampled_from([0.0, 5.0]))
def test_equals_brute_force_under_biases(values: list[float], seed: int, outside: float) -> None:
    found = make("BIOES", ["A"])
    biases = Biases(*values)
    probabilities = draw(np.random.default_rng(seed), 5, len(found.labels), outside)
    assert best_paths(probabilities, np.array([5]), found, biases).tolist() == brute_force(found, probabilities, biases)


@pytest.mark.parametrize("name", ["IOB1", "IOB2", "IOE1", "IOE2", "BIOES", "BIOE"])
@given(st.integers(0, 10**6))
def test_a_long_document_is_decoded_as_if_in_one_go(name: str, seed: int) -> None:
    """Certain rows split a document into runs; a scheme twin with two outside labels never splits."""
    rng = np.random.default_rng(seed)
    found = make(name, ["A", "B"])
    probabilities = draw(rng, 120, len(found.labels), outside=5.0)
    labels = [*found.labels, "[PAD]"]
    twin = schemes.read(dict(enumerate(labels)), name)
    padded = np.concatenate([probabilities, np.full((120, 1), 1e-25, np.float32)], axis=1)
    assert (
        best_paths(probabilities, np.array([50, 70]), found).tolist()
        == best_paths(padded, np.array([50, 70]), twin).tolist()
    )


@given(st.integers(0, 10**6))
def test_biased_documents_are_decoded_as_if_in_one_go(seed: int) -> None:
    rng = np.random.default_rng(seed)
    found = make("BIOES", PRIVACY_FILTER)
    biases = Biases(*rng.normal(size=6))
    probabilities = draw(rng, 120, len(found.labels), outside=9.0)
    weights = {(p, q): edge(found, biases, p, q) for p, q in np.argwhere(found.transition).tolist()}
    total = np.where(found.start, np.log(probabilities[0].astype(np.float64)), -np.inf)
    back = []
    for row in probabilities[1:]:
        steps = np.full((len(total), len(total)), -np.inf)
        for (p, q), weight in weights.items():
            steps[p, q] = total[p] + weight
        back.append(steps.argmax(axis=0))
        total = steps.max(axis=0) + np.log(row.astype(np.float64))
    path = [int(np.where(found.end, total, -np.inf).argmax())]
    for step in reversed(back):
        path.append(int(step[path[-1]]))
    assert best_paths(probabilities, np.array([120]), found, biases).tolist() == path[::-1]


@pytest.mark.parametrize("name", schemes.FAMILIES)
@given(st.integers(0, 10**6))
def test_no_path_is_illegal(name: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    found = make(name, ["A", "B"])
    lengths = rng.integers(0, 40, size=30)
    path = best_paths(draw(rng, int(lengths.sum()), len(found.labels)), lengths, found)
    for own in np.split(path, np.cumsum(lengths)[:-1]):
        if len(own):
            assert found.start[own[0]]
            assert found.end[own[-1]]
            assert found.transition[own[:-1], own[1:]].all()


def test_ties_go_to_the_lowest_id() -> None:
    found = make("IOB2", ["A", "B"])
    assert best_paths(np.full((6, 5), 0.2, np.float32), np.array([6]), found).tolist() == [0] * 6


def test_the_order_of_a_batch_changes_nothing() -> None:
    rng = np.random.default_rng(3)
    found = make("BIOES", ["A", "B"])
    texts = [draw(rng, int(size), len(found.labels)) for size in rng.integers(1, 30, size=700)]
    lengths = np.array([len(rows) for rows in texts])
    forth = np.split(best_paths(np.concatenate(texts), lengths, found), np.cumsum(lengths)[:-1])
    back = np.split(best_paths(np.concatenate(texts[::-1]), lengths[::-1], found), np.cumsum(lengths[::-1])[:-1])
    assert all(np.array_equal(one, other) for one, other in zip(forth, back[::-1], strict=True))


@pytest.mark.parametrize("name", schemes.FAMILIES)
def test_scores_that_are_no_numbers_do_not_stop_it(name: str) -> None:
    found = make(name, ["A", "B"])
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(40, len(found.labels))).astype(np.float32)
    for value in (np.nan, np.inf, -np.inf):
        logits[rng.integers(0, 40, 9), rng.integers(0, len(found.labels), 9)] = value
    logits[5] = np.nan
    probabilities = softmax(logits)
    assert np.allclose(probabilities.sum(axis=1), 1)
    path = best_paths(probabilities, np.array([15, 25]), found)
    assert found.transition[path[:14], path[1:15]].all()


def test_every_bias_is_tried_above() -> None:
    assert len(fields(Biases)) == 6

"""Answers of seqeval, from an environment that has it: JSON in on stdin, JSON out on stdout.

In: `[[scheme or null, gold sentences, found sentences], ...]`. Out: for each of them the entities of gold and found, or
null where seqeval refuses, precision, recall and F1 (micro, macro, weighted), and the report.
"""

from __future__ import annotations

import json
import sys
import warnings
from typing import Any

from seqeval import scheme as schemes
from seqeval.metrics import classification_report, sequence_labeling, v1


def entities(sentence: list[str], scheme: str | None) -> list[list[Any]] | None:
    if scheme is None:
        return [[kind, start, end + 1] for kind, start, end in sequence_labeling.get_entities(sentence)]
    try:
        (found,) = schemes.Entities([sentence], getattr(schemes, scheme)).entities
    except ValueError:
        return None
    return [[one.tag, one.start, one.end] for one in found]


def answer(scheme: str | None, gold: list[list[str]], found: list[list[str]]) -> dict[str, Any]:
    read = [[entities(sentence, scheme) for sentence in side] for side in (gold, found)]
    # seqeval's averages fail without any entity
    if any(one is None for side in read for one in side) or not any(one for side in read for one in side):
        return {"gold": read[0], "found": read[1], "scores": None, "report": None}
    how: dict[str, Any] = {} if scheme is None else {"scheme": getattr(schemes, scheme)}
    module = sequence_labeling if scheme is None else v1
    averages = ("micro", "macro", "weighted")
    scores = {name: module.precision_recall_fscore_support(gold, found, average=name, **how)[:3] for name in averages}
    scores = {name: list(map(float, row)) for name, row in scores.items()}
    report = classification_report(gold, found, mode=scheme and "strict", **how)
    return {"gold": read[0], "found": read[1], "scores": scores, "report": report}


if __name__ == "__main__":
    warnings.simplefilter("ignore")  # of figures whose divisor is 0
    json.dump([answer(*case) for case in json.load(sys.stdin)], sys.stdout)

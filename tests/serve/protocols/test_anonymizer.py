"""`POST /anonymize` and `/deanonymize` answer as Presidio's anonymizer, where that is safe."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest
from presidio_anonymizer import AnonymizerEngine
from presidio_anonymizer.entities import OperatorConfig, RecognizerResult

from tests.redact.given import KEY
from tests.serve.servers import Server
from vtag import Span, redact_text

TEXT = "Ann  Lee met Bob O'Brien 👩‍👩‍👧 in Paris;\r\ncall +1 555-0100, or a@b.co.  Zoë e\u0301."
LABELS = ["PERSON", "LOCATION", "PHONE_NUMBER"]
OPERATORS: list[dict[str, Any]] = [
    {"type": "replace"},
    {"type": "replace", "new_value": "<X>"},
    {"type": "replace", "new_value": ""},
    {"type": "redact"},
    {"type": "keep"},
    {"type": "mask", "masking_char": "*", "chars_to_mask": 4, "from_end": True},
    {"type": "mask", "masking_char": "█", "chars_to_mask": 2, "from_end": False},
    {"type": "mask", "masking_char": "*", "chars_to_mask": -1, "from_end": False},
    {"type": "mask", "masking_char": "", "chars_to_mask": 99, "from_end": True},
]


def presidio(text: str, results: list[dict[str, Any]], operators: dict[str, dict[str, Any]]) -> Any:
    """What Presidio's own engine answers."""
    configs = {name: OperatorConfig.from_json(dict(each)) for name, each in operators.items()}
    engine: Any = AnonymizerEngine()
    found = engine.anonymize(text, [RecognizerResult.from_json(row) for row in results], configs)
    answer = json.loads(found.to_json())
    return answer | {
        "items": [{name: item[name] for name in sorted(item) if name != "score"} for item in answer["items"]]
    }


def anonymize(server: Server, text: str, results: list[dict[str, Any]], operators: Any = None) -> Any:
    response = server.post("/anonymize", {"text": text, "analyzer_results": results, "anonymizers": operators})
    assert response.status_code == 200, response.text
    answer = response.json()
    return answer | {"items": [dict(sorted(item.items())) for item in answer["items"]]}


def some_results(chance: random.Random) -> list[dict[str, Any]]:
    """Spans of which two of other labels do not meet in part: these Presidio writes twice."""
    kept: list[dict[str, Any]] = []
    for _ in range(chance.randint(0, 6)):
        start, end = sorted(chance.sample(range(len(TEXT) + 1), 2))
        row = {
            "start": start,
            "end": end,
            "entity_type": chance.choice(LABELS),
            "score": chance.choice([0.3, 0.6, 1.0]),
        }
        if all(_fit(row, other) for other in kept):
            kept.append(row)
    return kept


def _fit(one: dict[str, Any], other: dict[str, Any]) -> bool:
    apart = one["end"] <= other["start"] or other["end"] <= one["start"]
    inside = one["start"] <= other["start"] and other["end"] <= one["end"]
    around = other["start"] <= one["start"] and one["end"] <= other["end"]
    return apart or ((inside or around) and (one["start"], one["end"]) != (other["start"], other["end"]))


def test_the_answer_is_presidios(server: Server) -> None:
    chance = random.Random(51)
    for _ in range(150):
        results = some_results(chance)
        operators = {name: chance.choice(OPERATORS) for name in chance.sample([*LABELS, "DEFAULT"], 2)}
        assert anonymize(server, TEXT, results, operators) == presidio(TEXT, results, operators)


def test_spans_of_two_labels_that_overlap_are_one(server: Server) -> None:
    results = [
        {"entity_type": "PERSON", "start": 5, "end": 12, "score": 0.6},
        {"entity_type": "LOCATION", "start": 9, "end": 18, "score": 0.9},
    ]
    assert anonymize(server, "Call Ann Lee Smith now", results)["text"] == "Call <LOCATION> now"


def test_hash_and_encrypt_use_the_servers_key_and_lead_back(renamed: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VTAG_REDACT_KEY", KEY)
    results = [{"entity_type": "PERSON", "start": 0, "end": 8, "score": 0.6}]
    hashed = anonymize(renamed, TEXT, results, {"PERSON": {"type": "hash", "hash_type": "sha256"}})
    assert hashed["text"] == redact_text(TEXT, [Span(0, 8, "PERSON", 1.0, TEXT[:8])], {"default": "hash"}).text
    sealed = anonymize(renamed, TEXT, results, {"DEFAULT": {"type": "encrypt"}})
    assert TEXT[:8] not in sealed["text"]
    for asked in (None, {"PERSON": {"type": "decrypt"}}):
        body = {"text": sealed["text"], "anonymizer_results": sealed["items"], "deanonymizers": asked}
        answer = renamed.post("/deanonymize", body).json()
        assert answer["text"] == TEXT
        assert answer["items"] == [
            {"start": 0, "end": 8, "entity_type": "PERSON", "text": TEXT[:8], "operator": "decrypt"}
        ]
    kept = renamed.post("/deanonymize", body | {"deanonymizers": {"PERSON": {"type": "deanonymize_keep"}}}).json()
    assert kept["text"] == sealed["text"]
    changed = body | {"text": sealed["text"].replace("PERSON", "PERSOM")}
    assert renamed.post("/deanonymize", changed).json()["error_type"] == "token_refused"
    twice = body | {"anonymizer_results": sealed["items"] * 2}
    assert renamed.post("/deanonymize", twice).json()["error_type"] == "bad_span"


@pytest.mark.parametrize(
    ("more", "kind"),
    [
        ({"analyzer_results": None}, "bad_field"),
        ({"analyzer_results": [{"start": 0, "end": 99, "entity_type": "A", "score": 1}]}, "bad_span"),
        ({"analyzer_results": [{"start": 2, "end": 1, "entity_type": "A", "score": 1}]}, "bad_span"),
        ({"analyzer_results": [{"start": -1, "end": 1, "entity_type": "A", "score": 1}]}, "bad_field"),
        ({"analyzer_results": [{"start": 0, "end": 1, "score": 1}]}, "bad_field"),
        ({"anonymizers": {"A": {"type": "custom", "new_value": "Zebedee"}}}, "no_operator"),
        ({"anonymizers": {"A": {"type": "surrogate_ahds"}}}, "no_operator"),
        ({"anonymizers": {"A": {"type": "encrypt", "key": "ZebedeeZebedee16"}}}, "operator_secret"),
        ({"anonymizers": {"A": {"type": "hash", "salt": "ZebedeeZebedee16"}}}, "operator_secret"),
        ({"anonymizers": {"A": {"type": "hash", "hash_type": "sha512"}}}, "operator_secret"),
        ({"anonymizers": {"A": {"type": "hash"}}}, "no_server_key"),
        ({"anonymizers": {"A": {"type": "encrypt"}}}, "no_server_key"),
        ({"anonymizers": {"A": {"type": "mask", "masking_char": "*"}}}, "operator_parameters"),
        ({"anonymizers": {"A": {"type": "replace", "value": "Zebedee"}}}, "unknown_field"),
        ({"anonymizers": {"A": {"type": "replace", "new_value": "Zebedee" * 200}}}, "bad_field"),
        ({"text": 7}, "bad_field"),
    ],
)
def test_what_is_not_safe_or_not_valid_is_refused_in_one_line(server: Server, more: dict[str, Any], kind: str) -> None:
    body = {"text": "I am Zebedee.", "analyzer_results": [], **more}
    response = server.post("/anonymize", body)
    assert (response.status_code, response.json()["error_type"]) == (422, kind), response.text
    assert "Zebedee" not in response.text


def test_the_operators_are_listed(server: Server) -> None:
    assert server.get("/anonymizers").json() == ["encrypt", "hash", "keep", "mask", "redact", "replace"]
    assert server.get("/deanonymizers").json() == ["decrypt", "deanonymize_keep"]


def test_an_empty_text_is_answered(server: Server) -> None:
    assert anonymize(server, "", []) == {"text": "", "items": []}

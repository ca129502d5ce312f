"""docs/coming-from/hugging-face.md is true: the script that it moves over prints the same before and after."""

from __future__ import annotations

import json
import re
import runpy
import tomllib
import warnings
from contextlib import redirect_stdout
from dataclasses import asdict, fields
from io import StringIO
from pathlib import Path

import pytest

from tests.docs.pages import PAGES, ROOT, name
from vtag import LLM
from vtag.model.demo import demo_model

DOCS = ROOT / "docs"
SENTENCES = runpy.run_path(str(ROOT / "scripts" / "prose.py"))["sentences"]
# Of a sentence.
MOST_WORDS = 40
PAGE = (DOCS / "coming-from" / "hugging-face.md").read_text("utf-8")
BEFORE, CHANGED = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


def printed(code: str) -> str:
    out = StringIO()
    with redirect_stdout(out), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        exec(code.replace("path/to/model", str(demo_model())), {})
    return out.getvalue()


def test_two_lines_move_the_script_over_and_it_prints_the_same() -> None:
    before, changed = BEFORE.splitlines(), CHANGED.splitlines()
    after = [*changed, *before[len(changed) :]]
    assert sum(one != other for one, other in zip(before, after, strict=True)) == 2
    expected = printed(BEFORE)
    assert printed("\n".join(after)) == expected
    assert expected.splitlines()[0] == "GIVEN_NAME ann 5 8"
    assert expected.splitlines()[-3:] == ["1 ['Ann']", "0 []", "0 []"]


def test_what_it_says_of_arguments_is_what_vtag_says_of_them() -> None:
    from vtag.model.arguments import MOVED

    rows = re.findall(r"^\| ((?:`\w+`(?:, )?)+) +\| left out", PAGE, re.MULTILINE)
    named = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
    assert named == {"device", "device_map", "batch_size", "num_workers"} <= set(MOVED)


def test_the_page_of_gateways_has_a_label_map_that_works_and_the_names_that_are_sent(tmp_path: Path) -> None:
    from vtag.cli.main import main
    from vtag.serve.http.access_log import FORMATS
    from vtag.serve.http.responses import TAGGED
    from vtag.serve.protocols.presidio import NO_RECOGNIZERS

    page = (DOCS / "gateways" / "index.md").read_text("utf-8")
    (label_map,) = re.findall(r"```toml.*?\n(.*?)```", page, re.DOTALL)
    (tmp_path / "labels.toml").write_text(label_map, "utf-8")
    out = StringIO()
    with redirect_stdout(out):
        assert main(["labels", "demo", "--label-map", str(tmp_path / "labels.toml")]) == 0
    assert out.getvalue().split()[:3] == ["PERSON", "EMAIL", "PHONE_NUMBER"]
    assert "URL" not in out.getvalue()
    assert all(f"`{name}" in page for name in TAGGED[200]["headers"])
    (line,) = re.findall(r"```json\n(.*?)\n```", page, re.DOTALL)
    entry = json.loads(line)
    written = json.loads(FORMATS["json"]({name: entry[name] for name in list(entry)[1:]}))
    assert list(written) == list(entry)
    assert {**written, "time": entry["time"]} == entry
    assert json.dumps({"error": NO_RECOGNIZERS}) in (DOCS / "gateways" / "presidio.md").read_text("utf-8")


def test_the_page_of_redaction_has_policies_that_hold_and_every_action(
    monkeypatch: pytest.MonkeyPatch, llm: LLM
) -> None:
    from vtag.redact.actions import ACTIONS
    from vtag.redact.text import Redactor

    monkeypatch.setenv("VTAG_REDACT_KEY", "a key of the tests alone, and no secret")
    page = (DOCS / "guides" / "redact.md").read_text("utf-8")
    of_demo, of_dates = (tomllib.loads(policy) for policy in re.findall(r"```toml.*?\n(.*?)```", page, re.DOTALL))
    assert Redactor.for_model(of_demo, llm.tagger.names.of_spans).policy.threshold == {"EMAIL": 0.1, "*": 0.3}
    Redactor.for_model(of_dates, ["DATE"])
    cells = [line.split("|") for line in re.findall(r"^\| `.*$", page, re.MULTILINE)]
    assert [each[1].strip(" `") for each in cells] == [*ACTIONS]
    for action, (_, _, _, parameters, back, _) in zip(ACTIONS, cells, strict=True):
        row = ACTIONS[action]
        assert re.findall(r"`(\w+)`", parameters)[: len(row.parameters.model_fields) - 1] == [
            name for name in row.parameters.model_fields if name != "action"
        ]
        assert back.strip() == ("by the mapping" if row.mapped else "by the key" if action == "token" else "")


def test_the_page_of_the_server_names_every_route_and_its_help_every_limit() -> None:
    from vtag.cli.main import COMMANDS, Parser
    from vtag.cli.serve import LIMITS, parser
    from vtag.serve.http.middleware import KEPT
    from vtag.serve.limits import FIXED, Limits

    said = " ".join(parser(Parser(prog="vtag serve", description=COMMANDS["serve"])).format_help().split())
    assert set(LIMITS) == {field.name for field in fields(Limits)}
    for limit, most in asdict(Limits()).items():
        assert f"{LIMITS[limit]} (default: {most})" in said
    for says, (most, then) in FIXED.items():
        assert f"{says}: {most} (then {then})" in said
    page = (DOCS / "deploy" / "server.md").read_text("utf-8")
    described = json.loads((DOCS / "reference" / "openapi.json").read_text("utf-8"))["paths"]
    for path in {*described, *KEPT} - {"/playground"}:
        assert f"{path}`" in page, path


def test_the_page_of_monitoring_asks_for_metrics_that_exist() -> None:
    from prometheus_client.metrics import MetricWrapperBase

    from vtag.serve import metrics

    made = [metric for metric in vars(metrics).values() if isinstance(metric, MetricWrapperBase)]
    samples = {f"{metric._name}{suffix}" for metric in made for suffix in ("", "_total", "_bucket")}
    named = re.findall(r"\bvtag_\w+", (DOCS / "deploy" / "monitoring.md").read_text("utf-8"))
    assert named
    assert set(named) <= samples


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_no_sentence_is_too_long_to_be_read_once(page: Path) -> None:
    found = SENTENCES(page.read_text("utf-8"))
    assert [sentence for sentence in found if len(sentence.split()) > MOST_WORDS] == []

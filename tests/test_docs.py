"""docs/pipeline.md is true: the script that it moves over prints the same before and after."""

from __future__ import annotations

import json
import re
import shlex
import tomllib
import warnings
from contextlib import redirect_stdout
from dataclasses import asdict, fields
from io import StringIO
from pathlib import Path

import pytest

from vtag import LLM
from vtag.model.demo import demo_model

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "pipeline.md").read_text("utf-8")
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


@pytest.mark.parametrize("page", sorted((ROOT / "docs").rglob("*.md")), ids=lambda page: page.name)
def test_its_links_lead_somewhere(page: Path) -> None:
    prose = re.sub(r"^```.*?^```", "", page.read_text("utf-8"), flags=re.DOTALL | re.MULTILINE)
    for target in re.findall(r"\]\(([^):#]+)\)", prose):
        assert (page.parent / target).is_file(), target


def test_the_page_of_gateways_has_a_label_map_that_works_and_the_names_that_are_sent(tmp_path: Path) -> None:
    from vtag.cli.main import main
    from vtag.serve.http.access_log import FORMATS
    from vtag.serve.http.responses import TAGGED
    from vtag.serve.protocols.presidio import NO_RECOGNIZERS

    page = (ROOT / "docs" / "gateways.md").read_text("utf-8")
    (label_map,) = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)
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
    assert json.dumps({"error": NO_RECOGNIZERS}) in (ROOT / "docs" / "gateways" / "presidio.md").read_text("utf-8")


def test_the_page_of_redaction_has_code_that_prints_what_it_says_policies_that_hold_and_every_action(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, llm: LLM
) -> None:
    from vtag.cli.main import main
    from vtag.redact.actions import ACTIONS
    from vtag.redact.text import Redactor

    monkeypatch.setenv("VTAG_REDACT_KEY", "a key of the tests alone, and no secret")
    page = (ROOT / "docs" / "redaction.md").read_text("utf-8")
    blocks = re.findall(r"```python\n(.*?)```\n\n```\n(.*?)```", page, re.DOTALL)
    assert len(blocks) == 2
    says = "".join(said for _, said in blocks)
    assert printed("".join(code for code, _ in blocks)).splitlines() == says.splitlines()
    of_demo, of_dates = (tomllib.loads(policy) for policy in re.findall(r"```toml\n(.*?)```", page, re.DOTALL))
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

    monkeypatch.chdir(tmp_path)
    (tmp_path / "policy.toml").write_text(re.findall(r"```toml\n(.*?)```", page, re.DOTALL)[0])
    (tmp_path / "corpus.jsonl").write_text('{"text": "I am Ann Smith, ann@smith.org, 97999."}\n', "utf-8")
    for line in re.findall(r"^    vtag (redact demo corpus.*|restore redacted.*)$", page, re.MULTILINE):
        assert main(shlex.split(line)) == 0
    assert (tmp_path / "redacted.jsonl").read_text("utf-8").count('"action": "fake"') == 2
    assert "ann@smith.org" in (tmp_path / "back.jsonl").read_text("utf-8")


def test_the_page_of_evaluation_has_code_that_prints_what_it_says_and_commands_that_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from vtag.cli.eval import parser
    from vtag.cli.main import COMMANDS, Parser, main

    page = (ROOT / "docs" / "evaluation.md").read_text("utf-8")
    ((code, says),) = re.findall(r"```python\n(.*?)```\n\n```\n(.*?)```", page, re.DOTALL)
    assert printed(code) == says
    options = parser(Parser(prog="vtag eval", description=COMMANDS["eval"])).format_help()
    for line in re.findall(r"^    vtag eval (.*?)(?: +#.*)?$", page, re.MULTILINE):
        assert set(re.findall(r"--[a-z-]+", line)) <= set(re.findall(r"--[a-z-]+", options))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "gold.jsonl").write_text('{"text": "Hi, I am Ann Smith.", "spans": [[9, 12, "GIVEN_NAME"]]}\n')
    commands = re.findall(r"^    vtag ((?:run|eval) .*found$)", page, re.MULTILINE)
    assert [main(shlex.split(line)) for line in commands] == [0, 0]
    assert "1 right of 2 found, 1 gold spans" in capsys.readouterr().out


def test_the_page_of_the_server_and_its_help_name_every_limit_every_route_and_every_metric() -> None:
    from prometheus_client.metrics import MetricWrapperBase

    from vtag.cli.main import COMMANDS, Parser
    from vtag.cli.serve import LIMITS, parser
    from vtag.serve import metrics
    from vtag.serve.http.middleware import KEPT
    from vtag.serve.limits import FIXED, Limits

    page = (ROOT / "docs" / "server.md").read_text("utf-8")
    said = " ".join(parser(Parser(prog="vtag serve", description=COMMANDS["serve"])).format_help().split())
    assert set(LIMITS) == {field.name for field in fields(Limits)}
    for name, most in asdict(Limits()).items():
        option = f"--max-{name.replace('_', '-')}"
        assert re.search(rf"^\| .* \| {most:,} \| `{option}` \| (413|429) \|$", page, re.MULTILINE), name
        assert f"{LIMITS[name]} (default: {most})" in said
    for says, (most, then) in FIXED.items():
        assert f"| {says} | {most} | | {then} |" in page
        assert f"{says}: {most} (then {then})" in said
    for metric in vars(metrics).values():
        if isinstance(metric, MetricWrapperBase):
            (family,) = metric.describe()
            total = "_total" if family.type == "counter" else ""
            labels = "{" + ", ".join(metric._labelnames) + "}" if metric._labelnames else ""
            assert f"`{family.name}{total}{labels}`" in page
    described = json.loads((ROOT / "docs" / "openapi.json").read_text("utf-8"))["paths"]
    for path in {*described, *KEPT} - {"/playground"}:
        assert f"{path}`" in page, path

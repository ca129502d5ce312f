"""docs/reference/openapi.json is what the routes are, and they do what it says."""

from __future__ import annotations

import json
import os
import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

from tests.serve.servers import Server

ROOT = Path(__file__).parent.parent.parent
FILE = ROOT / "docs" / "reference" / "openapi.json"
# Presidio answers so where it knows none of the entities, and its clients look for it.
CHECKS = """
import schemathesis


@schemathesis.check
def no_server_error(ctx, response, case):
    presidios = case.operation.path == "/analyze" and response.status_code == 500
    if presidios and response.json() == {"error": "No matching recognizers were found to serve the request."}:
        return
    assert response.status_code < 500, f"a server error: {response.status_code} {response.text[:200]}"
"""
SEED = os.environ.get("VTAG_SCHEMATHESIS_SEED", "1")


def test_the_file_is_what_the_routes_are() -> None:
    script = runpy.run_path(str(ROOT / "scripts" / "openapi.py"))
    assert FILE.read_text("utf-8") == script["text"](), "run scripts/openapi.py"


def test_a_server_describes_these_routes(server: Server) -> None:
    described = server.get("/openapi.json").json()["paths"]
    for path, operations in json.loads(FILE.read_text("utf-8"))["paths"].items():
        assert {method: described[path][method]["summary"] for method in operations} == {
            method: operation["summary"] for method, operation in operations.items()
        }


@pytest.mark.long
@pytest.mark.parametrize(
    ("seconds", "names"), [(60, '[parameters]\n"path.name" = "demo"\n'), (30, "")], ids=["the model", "any name"]
)
def test_schemathesis_finds_no_breach_of_it(server: Server, tmp_path: Path, seconds: int, names: str) -> None:
    """All its checks but two: which labels there are is the model's, so that no schema tells which are accepted; and
    `no_server_error` takes the place of the one that knows no exception.
    """
    (tmp_path / "schemathesis.toml").write_text(names)
    (tmp_path / "checks.py").write_text(CHECKS)
    command = [sys.executable, "-m", "schemathesis.cli", "--config-file", "schemathesis.toml", "run", str(FILE)]
    command += ["--url", server.url, "--checks", "all"]
    command += ["--exclude-checks", "positive_data_acceptance,not_a_server_error"]
    # One worker: hypothesis reads lambdas by ast.parse, whose depth CPython 3.11 counts across threads, and fails.
    command += ["--continue-on-failure", "--max-time", str(seconds), "--workers", "1", "--seed", SEED, "--no-color"]
    hooks = {"SCHEMATHESIS_HOOKS": "checks", "PYTHONPATH": str(tmp_path)}
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, env=os.environ | hooks)
    assert done.returncode == 0, done.stdout[-5000:]
    assert "Tested: 25" in done.stdout
    (cases,) = re.findall(r"(\d+) generated", done.stdout)
    assert int(cases) > 1000
    assert "Traceback" not in server.log.read_text("utf-8", errors="replace")

"""The table of architectures as `vtag models` and the README read it."""

from __future__ import annotations

import subprocess
import sys

from vtag.model.architectures import ARCHITECTURES


def test_the_table_loads_without_torch_transformers_and_vllm() -> None:
    heavy = "('torch', 'transformers', 'vllm')"
    code = f"import sys, vtag.model.architectures; print([m for m in {heavy} if m in sys.modules])"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert loaded.strip() == "[]"


def test_every_row_has_a_route_or_says_what_the_model_needs() -> None:
    routes = {name: row.route for name, row in ARCHITECTURES.items()}
    assert set(routes.values()) == {"native", "packed", None}
    assert all(ARCHITECTURES[name].needs for name, route in routes.items() if route is None)


def test_decoders_that_vllm_runs_are_causal() -> None:
    assert all(row.causal for row in ARCHITECTURES.values() if row.native)

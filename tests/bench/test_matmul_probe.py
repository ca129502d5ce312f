from __future__ import annotations

from vtag import LLM
from vtag.bench.matmul_probe import probe


def test_operations_are_those_of_the_model_on_its_real_tokens(llm: LLM) -> None:
    windows = llm.tagger.prepare(["Call Ann.", "Call Bob on 555-0100."] * 20).windows
    found = probe(llm, windows)
    assert found is not None
    config = llm.plan.checkpoint.config
    width, inner = config.hidden_size, config.intermediate_size
    layer = 4 * width**2 + 2 * width * inner
    tokens = sum(len(window.ids) for window in windows)
    expected = 2 * tokens * (config.num_hidden_layers * layer + width * len(llm.id2label))
    assert abs(found.operations / expected - 1) < 1e-6
    assert {tuple(one.input.shape[-1:]) for one in found.shapes} == {(width,), (inner,)}


def test_it_leaves_nothing_behind_and_says_a_speed(llm: LLM) -> None:
    found = probe(llm, llm.tagger.prepare(["Call Ann."] * 50).windows)
    assert found is not None
    assert not any(layer._forward_hooks for layer in llm.apply_model(lambda model: list(model.modules()))[0])
    assert 1e8 < found.speed(llm) < 1e15

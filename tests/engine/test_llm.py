"""`LLM` on the demo model: what `encode` takes and gives, windows, Hugging Face's pipeline as the oracle of `tag`."""

from __future__ import annotations

import gc
import json
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoModelForTokenClassification, AutoTokenizer, pipeline
from vllm import PoolingParams

from tests.checkpoints import good
from vtag import LLM, Span, VtagError, to_hf
from vtag.model.demo import demo_model

TEXTS = [
    json.loads(line)["text"]
    for line in (Path(__file__).parent.parent / "data" / "pii_synth_gold.jsonl").read_text("utf-8").splitlines()
]


@pytest.fixture(scope="module")
def hugging_face() -> tuple[Any, Any]:
    folder = demo_model()
    model = AutoModelForTokenClassification.from_pretrained(folder, dtype=torch.float32).eval()
    return AutoTokenizer.from_pretrained(folder), model


def test_encode_gives_hugging_faces_logits_of_every_token(llm: LLM, hugging_face: tuple[Any, Any]) -> None:
    tokenizer, model = hugging_face
    texts = [*TEXTS[:20], "", " ", "a", "Ünïcödé 漢字 😀 e\u0301 [SEP] \u202eRTL"]
    for text, output in zip(texts, llm.encode(texts, use_tqdm=False), strict=True):
        encoded = tokenizer(text, return_tensors="pt", return_offsets_mapping=True)
        offsets = encoded.pop("offset_mapping")[0]
        with torch.inference_mode():
            expected = model(**encoded).logits[0]
        assert output.token_ids == encoded["input_ids"][0].tolist()
        assert output.tokens == tokenizer.convert_ids_to_tokens(output.token_ids)
        np.testing.assert_array_equal(output.offsets, offsets)
        np.testing.assert_allclose(output.data, expected, atol=1e-4, rtol=0)
        assert output.windows == 1
        assert output.finished


def test_data_and_outputs_are_the_same_numbers_and_make_tensors_without_a_warning(llm: LLM) -> None:
    output = llm.encode("Call Ann on 555-0100.")[0]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert torch.equal(torch.tensor(output.data), output.outputs.data)
    assert output.data.dtype == np.float32
    assert output.labels == llm.id2label
    assert output.data.shape == (len(output.token_ids), len(output.labels))


def test_encode_takes_what_vllms_takes(llm: LLM) -> None:
    text = TEXTS[0]
    expected = llm.encode(text)[0]
    ids = expected.token_ids
    for prompt in (text, [text], ids, [ids], {"prompt": text}, [{"prompt_token_ids": ids}]):
        (output,) = llm.encode(prompt, use_tqdm=False)
        np.testing.assert_array_equal(output.data, expected.data)
    assert llm.encode(ids)[0].offsets is None
    assert llm.encode([]) == []
    assert len(llm.encode([text, ids])) == 2


def test_an_explicit_pooling_task_goes_to_vllm_untouched(llm: LLM) -> None:
    stock = llm.encode([TEXTS[0]], pooling_task="token_classify", use_tqdm=False)[0]
    ours = llm.encode(TEXTS[0])[0]
    np.testing.assert_allclose(stock.outputs.data.sum(-1), 1, atol=1e-5)
    np.testing.assert_allclose(stock.outputs.data, torch.softmax(ours.outputs.data, -1), atol=1e-6)


def test_on_vllms_own_way_a_text_longer_than_the_model_takes_is_refused_in_one_line_and_the_engine_works_on(
    llm: LLM,
) -> None:
    limit = llm.tagger.max_length
    fits, longer = [1] * limit, [1] * (limit + 1)
    with pytest.raises(VtagError, match=f"{limit + 1} tokens is longer than the model's {limit}") as raised:
        llm.encode([fits, longer, fits], pooling_task="token_classify", use_tqdm=False)
    assert raised.value.kind == "prompt_too_long"
    with pytest.raises(VtagError, match="longer than the model's"):
        llm.encode("a " * limit, pooling_params=PoolingParams(), pooling_task="token_classify", use_tqdm=False)
    (output,) = llm.encode(fits, pooling_task="token_classify", use_tqdm=False)
    assert output.outputs.data.sum(-1).min() > 0.99
    # Many texts in one request, as vtag's own travel: each is short enough.
    many = PoolingParams(use_activation=False, extra_kwargs={"lens": [limit, limit]})
    (output,) = llm.encode(fits + fits, many, pooling_task="token_classify", use_tqdm=False)
    assert torch.equal(output.outputs.data[:limit], output.outputs.data[limit:])


def test_a_text_longer_than_the_model_takes_runs_in_windows_and_loses_no_token(
    llm: LLM, hugging_face: tuple[Any, Any]
) -> None:
    text = " ".join(TEXTS)
    output = llm.encode(text)[0]
    assert output.token_ids == hugging_face[0](text, verbose=False)["input_ids"]
    assert output.windows > 10
    assert output.data.shape == (len(output.token_ids), 35)
    assert np.isfinite(output.data).all()
    assert np.abs(output.data).sum(axis=1).min() > 0


def test_exactly_the_limit_is_one_window_and_one_token_more_is_two(llm: LLM) -> None:
    limit = llm.tagger.max_length
    assert [llm.encode("a " * (n - 2))[0].windows for n in (limit, limit + 1)] == [1, 2]


def test_three_thousand_texts_in_one_call_come_back_in_order(tmp_path: Path) -> None:
    texts = [TEXTS[i % len(TEXTS)] for i in range(3000)]
    with LLM(good(tmp_path), dtype="float32") as llm:
        spans = llm.tag(texts, use_tqdm=False)
        alone = [llm.tag(text, use_tqdm=False)[0] for text in TEXTS]
    assert len(spans) == 3000
    for i, many in enumerate(spans):
        one = alone[i % len(TEXTS)]
        assert [s.to_tuple() for s in one] == [s.to_tuple() for s in many]
        np.testing.assert_allclose([s.score for s in one], [s.score for s in many], atol=1e-4)


@pytest.fixture(scope="module")
def ran(hugging_face: tuple[Any, Any]) -> tuple[Any, list[Any]]:
    """Hugging Face's pipeline, and what its model gives for some texts: once for all strategies."""
    tokenizer, model = hugging_face
    pipe = pipeline("token-classification", model=model, tokenizer=tokenizer)
    options, _, _ = pipe._sanitize_parameters()
    return pipe, [[pipe.forward(part) for part in pipe.preprocess(text, **options)] for text in TEXTS[:200]]


@pytest.mark.parametrize("strategy", ["none", "simple", "first", "average", "max"])
def test_tag_equals_hugging_faces_pipeline(llm: LLM, ran: tuple[Any, list[Any]], strategy: str) -> None:
    pipe, outputs = ran
    _, _, options = pipe._sanitize_parameters(aggregation_strategy=strategy)
    found = llm.tag(TEXTS[:200], aggregation_strategy=strategy, use_tqdm=False)
    for output, spans in zip(outputs, found, strict=True):
        expected = pipe.postprocess([dict(part) for part in output], **options)
        got = [span.to_hf() for span in spans]
        assert [{**s, "score": 0} for s in got] == [{**s, "score": 0} for s in expected]
        np.testing.assert_allclose([s["score"] for s in got], [s["score"] for s in expected], atol=1e-4)


def test_called_it_gives_what_hugging_faces_pipeline_gives(llm: LLM, hugging_face: tuple[Any, Any]) -> None:
    tokenizer, model = hugging_face
    pipe = pipeline("ner", model=model, tokenizer=tokenizer, aggregation_strategy="simple")
    for given in (TEXTS[0], TEXTS[:1], TEXTS[:40], ""):
        ours, theirs = llm(given), pipe(given)
        assert plain(ours) == plain(theirs)
        assert to_hf(llm.tag(given, aggregation_strategy="simple")) == (ours if isinstance(given, list) else [ours])
    words = [text.split() for text in TEXTS[:5]]
    assert plain(llm(words=words)) == plain(pipe(words, is_split_into_words=True))
    assert plain(llm(TEXTS[0], aggregation_strategy="none")) == plain(pipe(TEXTS[0], aggregation_strategy="none"))
    assert llm([]) == []


def plain(found: Any) -> Any:
    """Scores as far as they are equal."""
    if isinstance(found, dict):
        return found | {"score": round(float(found["score"]), 3)}
    return [plain(one) for one in found]


def test_its_repr_is_one_short_line(llm: LLM) -> None:
    assert repr(llm) == "LLM('demo': 35 labels, IOB2, float32, packed)"


def test_offsets_are_exact(llm: LLM) -> None:
    text = "😀 Mr José García, jose@example.com"
    for span in llm.tag(text)[0]:
        assert span.text == text[span.start : span.end]
    assert [span.text for span in llm.tag(text)[0]][:2] == ["José", "García"]


def test_an_engine_works_on_when_another_of_the_process_is_collected(llm: LLM) -> None:
    other = LLM("demo", dtype="float32")
    del other
    gc.collect()
    assert isinstance(llm.tag("I am Ann Smith.")[0][0], Span)


def test_ids_outside_of_the_vocabulary_are_refused_before_they_reach_the_engine(llm: LLM) -> None:
    with pytest.raises(VtagError, match="vocabulary"):
        llm.encode([1, 10**7])
    assert len(llm.encode("still alive")) == 1


def test_int8_gives_nearly_the_same_labels(llm: LLM) -> None:
    plain = llm.encode(TEXTS[:60], use_tqdm=False)
    int8 = LLM("demo", quantization="int8").encode(TEXTS[:60], use_tqdm=False)
    same = [one.data.argmax(1) == two.data.argmax(1) for one, two in zip(plain, int8, strict=True)]
    assert np.concatenate(same).mean() > 0.98
    assert any((one.data != two.data).any() for one, two in zip(plain, int8, strict=True))


def test_texts_and_words_may_be_any_iterable_and_what_is_no_text_is_named_by_its_index(llm: LLM) -> None:
    text = "I am Ann Smith."
    expected = llm.tag(text)
    assert llm.tag(t for t in [text]) == expected == llm.tag(np.array([text]))
    assert llm.tag(words=np.array(text.split())) == llm.tag(words=[text.split()])
    assert list(llm.tag_stream(text)) == expected
    assert llm.tag([]) == []
    wrongs: list[list[Any]] = [[None], [text, 7]]
    for wrong in wrongs:
        with pytest.raises(VtagError, match=f"text {len(wrong) - 1} is .*, not a string"):
            llm.tag(wrong)


def test_chunks_give_what_tag_gives_each_of_them_whatever_stands_around_them(llm: LLM) -> None:
    parts: list[list[str]] = [TEXTS[:70], [], TEXTS[70:71], TEXTS[71:300]]
    expected = [llm.tag(part, use_tqdm=False) for part in parts]
    assert [answers for answers, _ in llm.tag_chunks(parts)] == expected
    assert [answers for answers, _ in llm.tag_chunks(iter(parts[2:]))] == expected[2:]
    tokens = [count for _, count in llm.tag_chunks(parts)]
    assert tokens == [sum(len(output.token_ids) for output in llm.encode(part, use_tqdm=False)) for part in parts]
    words = [text.split() for text in TEXTS[:5]]
    assert next(llm.tag_chunks([words], words=True))[0] == llm.tag(words=words, use_tqdm=False)


def test_a_text_of_a_chunk_that_cannot_be_tagged_has_its_error_in_its_place(llm: LLM) -> None:
    (answers, _), (rest, _) = llm.tag_chunks([["I am Ann.", "\ud800", "I am Bob.", None], ["I am Ann."]])
    assert [answer.kind if isinstance(answer, VtagError) else answer[0].text for answer in answers] == [
        "Ann",
        "lone_surrogate",
        "Bob",
        "not_a_string",
    ]
    assert str(answers[1]).startswith("text 1 ")
    assert [span.text for span in rest[0]] == ["Ann"]  # type: ignore[union-attr]


def test_what_the_chunks_iterator_raises_comes_after_all_chunks_before_it(llm: LLM) -> None:
    def failing() -> Iterator[list[str]]:
        yield from ([text] for text in TEXTS[:3])
        raise RuntimeError("gone")

    found: list[Any] = []
    with pytest.raises(RuntimeError, match="gone"):
        found.extend(answers for answers, _ in llm.tag_chunks(failing()))
    assert found == [[spans] for spans in llm.tag(TEXTS[:3], use_tqdm=False)]

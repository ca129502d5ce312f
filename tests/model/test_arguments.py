"""Engine arguments that cannot be meant are refused in one line before an engine starts, from Python and the shell."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.refusals import refused
from vtag import LLM, VtagError
from vtag.cli.main import main

# Arguments -> the kind of the refusal, and what its message says.
WRONG: list[tuple[dict[str, Any], str, str]] = [
    ({"foo": 1}, "unknown_argument", "foo: LLM has no such argument: leave it out"),
    ({"device": "cuda:0"}, "unknown_argument", "vLLM takes the GPU if there is one"),
    ({"batch_size": 8}, "unknown_argument", "texts are batched by their tokens"),
    ({"torch_dtype": "float16"}, "unknown_argument", "use dtype"),
    ({"aggregation_strategy": "simple"}, "unknown_argument", "pass it with the texts"),
    ({"max_num_seq": 8}, "unknown_argument", "did you mean max_num_seqs?"),
    ({"dtype": "float99"}, "bad_argument", "dtype='float99': must be one of auto, float32"),
    ({"dtype": 32}, "bad_argument", "dtype=32"),
    ({"max_model_len": "long"}, "bad_argument", "max_model_len='long': must be a whole number"),
    ({"max_model_len": 0}, "bad_argument", "max_model_len=0"),
    ({"max_model_len": True}, "bad_argument", "max_model_len=True"),
    ({"tensor_parallel_size": "two"}, "bad_argument", "tensor_parallel_size='two'"),
    ({"model_config": "two"}, "bad_argument", "model_config='two': must be a dict"),
    ({"scheme": 5}, "unknown_scheme", "scheme=5: no such tag scheme"),
    ({"words_rule": 5}, "bad_words", "words=5: use one of"),
    ({"hf_overrides": "none"}, "bad_argument", "hf_overrides='none': must be a dict"),
]
IDS = [str(row[0]) for row in WRONG]


@pytest.mark.parametrize(("arguments", "kind", "says"), WRONG, ids=IDS)
def test_from_python(no_engine: None, arguments: dict[str, Any], kind: str, says: str) -> None:
    refused(kind, says, lambda: LLM("demo", **arguments))


@pytest.mark.parametrize(("arguments", "kind", "says"), WRONG, ids=IDS)
@pytest.mark.parametrize("command", ["tag", "serve"])
def test_from_the_command_line(
    no_engine: None,
    command: str,
    arguments: dict[str, Any],
    kind: str,
    says: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    given = [f"{name}={value if isinstance(value, str) else json.dumps(value)}" for name, value in arguments.items()]
    rest = ["Call Ann."] if command == "tag" else ["--port", "0"]
    assert main([command, "demo", *rest, *(word for one in given for word in ("--engine", one))]) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert says in err


@pytest.mark.parametrize("arguments", [{"max_num_seqs": "many"}, {"max_num_seqs": 0}, {"seed": "a"}], ids=str)
def test_a_value_that_vllm_refuses_is_a_wrong_word_and_no_fault_of_the_machine(arguments: dict[str, Any]) -> None:
    with pytest.raises(VtagError) as caught:
        LLM("demo", **arguments)
    assert (caught.value.kind, caught.value.exit_code) == ("engine_argument", 2)
    assert next(iter(arguments)) in str(caught.value)
    assert "\n" not in str(caught.value)

"""KServe's protocols v1 and v2, with spans in the place of label ids."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tests.serve.protocols.test_vtag import TEXTS, assert_equal
from tests.serve.servers import Server

if TYPE_CHECKING:
    from vtag import LLM


def tensor(texts: list[Any], shape: list[int]) -> dict[str, Any]:
    return {"name": "input-0", "shape": shape, "datatype": "BYTES", "data": texts}


def test_v1_predicts_the_spans_of_each_instance(server: Server, llm: LLM) -> None:
    answer = server.post("/v1/models/demo:predict", {"instances": TEXTS}).json()
    wanted = [[span.to_dict() for span in spans] for spans in llm.tag(TEXTS)]
    assert_equal([{"spans": spans} for spans in answer["predictions"]], wanted)
    assert server.post("/v1/models/demo:predict", {"instances": []}).json() == {"predictions": []}


def test_v2_infers_a_tensor_of_spans(server: Server, llm: LLM) -> None:
    asked = {"id": "42", "inputs": [tensor(TEXTS, [len(TEXTS)])], "outputs": [{"name": "output-0"}]}
    answer = server.post("/v2/models/demo/infer", asked).json()
    assert (answer["id"], answer["model_name"]) == ("42", "demo")
    (output,) = answer["outputs"]
    assert {key: value for key, value in output.items() if key != "data"} == {
        "name": "output-0",
        "shape": [len(TEXTS)],
        "datatype": "BYTES",
    }
    wanted = [[span.to_dict() for span in spans] for spans in llm.tag(TEXTS)]
    assert_equal([{"spans": json.loads(spans)} for spans in output["data"]], wanted)


def test_v2_takes_nested_data_and_parameters_and_makes_an_id(server: Server, llm: LLM) -> None:
    asked = {
        "inputs": [tensor([[text] for text in TEXTS[:20]], [20, 1])],
        "parameters": {"threshold": 0.98, "aggregation_strategy": "first"},
    }
    answers = [server.post("/v2/models/demo/infer", asked).json() for _ in range(2)]
    assert answers[0]["id"] != answers[1]["id"]
    (output,) = answers[0]["outputs"]
    assert output["shape"] == [20, 1]
    wanted = llm.tag(TEXTS[:20], threshold=0.98, aggregation_strategy="first")
    assert [len(json.loads(spans)) for spans in output["data"]] == [len(spans) for spans in wanted]
    assert sum(map(len, wanted)) > 10


def test_it_is_alive_and_ready_and_says_what_it_takes(server: Server) -> None:
    assert server.get("/v2/health/live").json() == {"live": True}
    assert server.get("/v2/health/ready").json() == {"ready": True}
    assert server.get("/v2").json() == server.get("/v2/").json()
    assert server.get("/v2").json()["name"] == "vtag"
    for route in ("/v1/models/demo", "/v2/models/demo/ready"):
        assert server.get(route).json() == {"name": "demo", "ready": True}
    metadata = server.get("/v2/models/demo").json()
    assert metadata["inputs"] == [{"name": "input-0", "datatype": "BYTES", "shape": [-1]}]
    assert metadata["outputs"] == [{"name": "output-0", "datatype": "BYTES", "shape": [-1]}]

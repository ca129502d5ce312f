"""No file but those of vtag.compat names what is internal to another package."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator, Set
from pathlib import Path

import pytest

from vtag.compat.rows import ROWS

SOURCE = Path(__file__).parent.parent.parent / "src" / "vtag"
GATE = SOURCE / "compat"
FILES = sorted(path for path in SOURCE.rglob("*.py") if not path.is_relative_to(GATE))

# What these packages document for their users, and vtag uses where it needs it. Of others everything counts as public.
PUBLIC = {
    "vllm": {
        "vllm.LLM",
        "vllm.ModelRegistry",
        "vllm.PoolingParams",
        "vllm.PoolingRequestOutput",
        "vllm.config.VllmConfig",
        "vllm.config.lora.LoRAConfig",
        "vllm.engine.arg_utils.AsyncEngineArgs",
        "vllm.engine.protocol.EngineClient",
        "vllm.lora.request.LoRARequest",
        "vllm.outputs.PoolingOutput",
        "vllm.platforms.current_platform",
        "vllm.tasks.SupportedTask",
        "vllm.usage.usage_lib.UsageContext",
        "vllm.v1.engine.async_llm.AsyncLLM",
    },
    "torch": {"torch", "torch.nn", "torch.nn.functional", "torch.nn.attention.varlen.varlen_attn"},
    "transformers": {
        "transformers",
        "transformers.AttentionInterface",
        "transformers.AttentionMaskInterface",
        "transformers.AutoModelForTokenClassification",
        "transformers.AutoTokenizer",
        "transformers.BertConfig",
        "transformers.BertForTokenClassification",
        "transformers.utils.logging",
    },
    "ray": {"ray", "ray.exceptions.OutOfDiskError", "ray.exceptions.RayError", "ray.exceptions.RayTaskError"},
    "uvicorn": {"uvicorn", "uvicorn.error"},
}
WORDS = {word for row in ROWS for word in row.words}
VARIABLES = {row.name for row in ROWS if row.name.startswith("VLLM_")}
VARIABLE = re.compile(r"VLLM_[A-Z0-9_]+")
# A module of theirs, or one of a module's loggers.
DOTTED = re.compile(rf"(?:{'|'.join(PUBLIC)})(?:\.\w+)+")


def internals(source: str) -> list[str]:
    """The internal names that a file says."""
    tree = ast.parse(source)
    said = (node.value for node in ast.walk(tree) if isinstance(node, ast.Expr))
    docstrings = {id(value) for value in said if isinstance(value, ast.Constant)}
    own = OWN | _defined(tree)
    return [name for node in ast.walk(tree) if id(node) not in docstrings for name in _said(node, own)]


def _said(node: ast.AST, own: Set[str]) -> Iterator[str]:
    match node:
        case ast.Import(names=names):
            yield from (alias.name for alias in names if _internal(alias.name))
        case ast.ImportFrom(module=module, names=names):
            yield from (name for name in (f"{module}.{alias.name}" for alias in names) if _internal(name))
        case ast.Attribute(value=value, attr=name):
            of_python = isinstance(value, ast.Name) and value.id in sys.stdlib_module_names
            if name in WORDS or (_private(name) and name not in own and not of_python):
                yield name
            elif ast.unparse(node) == "torch.ops":
                yield "torch.ops"
        case ast.Name(id=name) if name in WORDS - own:
            yield name
        case ast.keyword(arg=str(name)) if name in WORDS or _private(name):
            yield name
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) if name in WORDS:
            yield name
        case ast.Constant(value=str(text)):
            if text in WORDS or (DOTTED.fullmatch(text) and _internal(text)):
                yield text
            if VARIABLE.fullmatch(text) and text not in VARIABLES:
                yield text


def _internal(name: str) -> bool:
    package = name.split(".")[0]
    if re.fullmatch(r"vllm\.\w+_plugins", name):  # a group of entry points
        return False
    return package in PUBLIC and name not in PUBLIC[package] and name != package


def _private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__")


def _defined(tree: ast.AST) -> set[str]:
    """What a file defines itself, or imports."""
    defined: set[str] = set()
    for node in ast.walk(tree):
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                defined.add(name)
            case ast.Attribute(attr=name, ctx=ast.Store()) | ast.Name(id=name, ctx=ast.Store()):
                defined.add(name)
            case ast.alias(name=name, asname=asname):
                defined.add(asname or name)
            case ast.arg(arg=name):
                defined.add(name)
    return defined


OWN = {name for path in FILES for name in _defined(ast.parse(path.read_text("utf-8")))}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_a_file_names_nothing_internal(path: Path) -> None:
    assert internals(path.read_text("utf-8")) == []


MOVED_BACK = {
    "engine/thread.py": [
        "client._finalizer.detach()",
        "core.model_executor.shutdown()",
        "from torch.distributed import distributed_c10d",
    ],
    "system/device.py": ["import torch\ntorch.cpu._is_amx_tile_supported()"],
    "backend/packed/linear.py": [
        "torch.ops.mkldnn._linear_pointwise(x, w, None, 'none', [], '')",
        "from vllm import _custom_ops as ops",
    ],
    "backend/packed/cores.py": ["torch._C.set_num_threads(1)"],
    "backend/packed/model.py": ["from vllm.model_executor.layers.pooler import Pooler"],
    "backend/packed/attention.py": [
        "from transformers.masking_utils import causal_mask_function",
        "sys.modules[type(module).__module__].eager_attention_forward",
    ],
    "engine/import_hook.py": ['NAME = "vllm.entrypoints.llm"'],
    "engine/async_engine.py": ['logging.getLogger("vllm.v1.engine.core")'],
    "engine/llm.py": ["def _add_request(self): ..."],
    "backend/registry.py": ["ModelRegistry.models[name].load_model_cls()"],
    "serve/launcher.py": ["from vllm.entrypoints.launchers.app import build_app"],
    "serve/plugin.py": [
        "state.serving_pooling = None",
        "state.engine_client.errored",
        'os.environ["VLLM_NOT_IN_THE_TABLE"] = "1"',
    ],
    "serve/http/connection.py": [
        "import uvicorn.protocols.http.httptools_impl",
        "self._unset_keepalive_if_required()",
        "self.cycle.response_complete",
    ],
    "integrations/ray/cluster.py": ["ray.init(_temp_dir=folder)", "from ray._private import services"],
}


@pytest.mark.parametrize(("path", "line"), [(path, line) for path, lines in MOVED_BACK.items() for line in lines])
def test_a_line_moved_back_is_seen(path: str, line: str) -> None:
    source = (SOURCE / path).read_text("utf-8")
    assert internals(f"{source}\n\n{line}\n") != []


def test_every_variable_of_vllms_that_a_file_names_has_a_row() -> None:
    said = {name for path in FILES for name in re.findall(r"\"(VLLM_[A-Z0-9_]+)\"", path.read_text("utf-8"))}
    assert said == VARIABLES

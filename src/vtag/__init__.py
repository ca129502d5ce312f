"""vtag: token classification on vLLM. Labelled spans with exact offsets, for any Hugging Face token classifier."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from vtag._version import __version__
from vtag.errors import VtagError, error, reason
from vtag.system import environment
from vtag.system.imports import gc_paused

if TYPE_CHECKING:
    from vtag.engine.llm import LLM
    from vtag.evaluation.candidates import Candidate
    from vtag.evaluation.report import Comparison, Report
    from vtag.evaluation.run import compare, evaluate
    from vtag.files.redact import redact_files
    from vtag.files.restore import restore_files
    from vtag.files.run import tag_files
    from vtag.options import TagOptions
    from vtag.output import TokenClassificationOutput
    from vtag.redact.restore import restore
    from vtag.redact.stream import redact_stream
    from vtag.redact.text import redact_text
    from vtag.tagger import Tagger
    from vtag.types import Redacted, Replacement, Span, to_hf

__all__ = [
    "LLM",
    "Candidate",
    "Comparison",
    "Redacted",
    "Replacement",
    "Report",
    "Span",
    "TagOptions",
    "Tagger",
    "TokenClassificationOutput",
    "VtagError",
    "__version__",
    "compare",
    "evaluate",
    "redact_files",
    "redact_stream",
    "redact_text",
    "restore",
    "restore_files",
    "tag_files",
    "to_hf",
]

# Loaded when first asked for: `import vtag` brings in neither torch nor vllm.
_LAZY = {
    "Candidate": "vtag.evaluation.candidates",
    "Comparison": "vtag.evaluation.report",
    "LLM": "vtag.engine.llm",
    "Redacted": "vtag.types",
    "Replacement": "vtag.types",
    "Report": "vtag.evaluation.report",
    "Span": "vtag.types",
    "TagOptions": "vtag.options",
    "Tagger": "vtag.tagger",
    "TokenClassificationOutput": "vtag.output",
    "compare": "vtag.evaluation.run",
    "evaluate": "vtag.evaluation.run",
    "redact_files": "vtag.files.redact",
    "redact_stream": "vtag.redact.stream",
    "redact_text": "vtag.redact.text",
    "restore": "vtag.redact.restore",
    "restore_files": "vtag.files.restore",
    "tag_files": "vtag.files.run",
    "to_hf": "vtag.types",
}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    environment.set_before_torch()
    try:
        with gc_paused():
            return getattr(importlib.import_module(_LAZY[name]), name)
    except VtagError:
        raise
    except ImportError as cause:
        raise error("cannot_import", reason=reason(cause)) from cause

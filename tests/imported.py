"""What the scripts of `tests.scripts` find imported: in the order and the way in which `vtag` imports it."""

from __future__ import annotations

import gc

from vtag.system.imports import gc_paused

with gc_paused():
    import vtag.engine.llm
    import vtag.files.parquet
    import vtag.files.run
    import vtag.serve.launcher
    import vtag.serve.plugin  # noqa: F401

gc.freeze()  # else each script's first collection copies the pages of all that

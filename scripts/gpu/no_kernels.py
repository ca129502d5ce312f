"""In place of vLLM's compiled module in a bundle: nothing is computed here.

vLLM asks at import which products there are: none. Layers look for this operation when they are made, and call it only
where `custom_ops` says so: it has a name and no implementation.
"""

import torch

library = torch.library.Library("_C", "FRAGMENT")
for name in ("fp8", "block_fp8", "fp4"):
    library.define(f"cutlass_scaled_mm_supports_{name}(int capability) -> bool")
    library.impl(f"cutlass_scaled_mm_supports_{name}", lambda capability: False, "CompositeExplicitAutograd")
library.define("silu_and_mul(Tensor! result, Tensor input) -> ()")

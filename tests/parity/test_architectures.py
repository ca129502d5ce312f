"""Every text architecture through the real engine: logits equal to Hugging Face's own, whatever the neighbours."""

from __future__ import annotations

import gc
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from packaging.version import Version

from tests.parity.checkpoints import KNOWN, ROWS, build
from tests.parity.conftest import SAMPLE, SEED
from tests.parity.huggingface import Prompt, Reference, largest_difference, prompts
from tests.parity.tokenizers import text_of
from vtag import LLM
from vtag.compat.transformers_models import model_types
from vtag.model.architectures import ARCHITECTURES, max_length

# Its kernel is CUDA's alone: on a CPU Hugging Face leaves the attention out.
BLIND = ["mra"]
# These have a table of positions, absolute or for ALiBi; the others go on past the length that the config names.
TABLED = [
    "albert",
    "bert",
    "big_bird",
    "biogpt",
    "camembert",
    "canine",
    "convbert",
    "data2vec-text",
    "distilbert",
    "electra",
    "ernie",
    "esm",
    "flaubert",
    "fnet",
    "gpt-sw3",
    "gpt2",
    "gpt_bigcode",
    "gpt_neo",
    "ibert",
    "luke",
    "megatron-bert",
    "mobilebert",
    "mpnet",
    "mpt",
    "mra",
    "nystromformer",
    "rembert",
    "roberta",
    "roberta-prelayernorm",
    "roc_bert",
    "roformer",
    "squeezebert",
    "xlm",
    "xlm-roberta",
    "xlm-roberta-xl",
    "xmod",
    "yoso",
]
# DeBERTa compiles parts of itself with a call that torch has come to dislike.
pytestmark = pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated:DeprecationWarning")

TOLERANCE = 1e-4  # times the spread of the logits


@contextmanager
def engine(folder: Path, **kwargs: Any) -> Iterator[LLM]:
    # All that is alive now stays alive: the engine's start and end look through it otherwise, for seconds.
    gc.freeze()
    with LLM(model=folder, **{"kv_cache_memory_bytes": 1 << 26} | kwargs) as llm:
        yield llm


def check_row(model_type: str, folder: Path) -> None:
    rng = random.Random(f"{SEED} {model_type}")
    reference = Reference(build(model_type, folder, SEED))
    batch = prompts(reference.tokenizer, ROWS[model_type].longest, rng)
    expected = [reference.logits(prompt) for prompt in batch]
    spread = max(1.0, float(np.concatenate(expected).std()))
    asked = [prompt.text if prompt.special else reference.ids(prompt) for prompt in batch]
    with engine(folder, dtype="float32") as llm:
        assert llm.packed == (ARCHITECTURES[model_type].native is None)
        together = [output.data for output in llm.encode(asked)]
        assert largest_difference(together, expected) <= TOLERANCE * spread
        order = rng.sample(range(len(batch)), len(batch))
        shuffled = [output.data for output in llm.encode([asked[i] for i in order])]
        alone = [llm.encode(asked[i])[0].data for i in order[:3]]
    assert largest_difference(shuffled, [together[i] for i in order]) <= TOLERANCE / 10 * spread
    assert largest_difference(alone, [together[i] for i in order[:3]]) <= TOLERANCE / 10 * spread
    check_checkpoint(model_type, reference, batch[0])


def check_checkpoint(model_type: str, reference: Reference, longest: Prompt) -> None:
    """The checkpoint is worth comparing with: logits vary, the order of the words matters, and `causal` is true."""
    logits = reference.logits(longest)
    assert logits.std() > 0.3
    glue = " " if " " in longest.text else ""
    first, *rest = longest.text.split() if glue else list(longest.text)
    turned = reference.logits(Prompt(glue.join([first, *rest[::-1]])))
    assert np.abs(np.sort(turned, axis=0) - np.sort(logits, axis=0)).max() > 0.05
    one, other = (reference.logits(Prompt(glue.join([first, *rest[:7], last]))) for last in sorted(set(rest))[:2])
    sees_the_last = not np.allclose(one[0], other[0], atol=1e-4)
    assert sees_the_last == (not ARCHITECTURES[model_type].causal and model_type not in BLIND)


@pytest.mark.parametrize("model_type", SAMPLE)
def test_sampled_row_equals_hugging_face(model_type: str, tmp_path: Path) -> None:
    check_row(model_type, tmp_path)


@pytest.mark.long
@pytest.mark.parametrize("model_type", ROWS)
def test_row_equals_hugging_face(model_type: str, tmp_path: Path, right: Callable[[str], None]) -> None:
    check_row(model_type, tmp_path)
    right(model_type)


@pytest.mark.long
@pytest.mark.parametrize("model_type", TABLED)
def test_one_token_more_than_the_limit_is_too_long_for_hugging_face(model_type: str, tmp_path: Path) -> None:
    reference = Reference(build(model_type, tmp_path, SEED))
    limit = max_length(reference.model.config)
    longest, longer = (Prompt(text_of(reference.tokenizer, n, random.Random(SEED))) for n in (limit, limit + 1))
    assert len(reference.logits(longest)) == limit
    with pytest.raises((IndexError, RuntimeError)):
        reference.logits(longer)


def test_the_table_is_that_of_the_installed_transformers() -> None:
    newer = {name for name, row in ARCHITECTURES.items() if row.transformers} - set(model_types())
    assert sorted(set(ARCHITECTURES) - newer) == sorted(model_types())
    installed = Version(metadata.version("transformers"))
    assert all(Version(ARCHITECTURES[name].transformers or "0") > installed for name in newer)


def test_every_text_entry_of_the_table_has_a_parity_row() -> None:
    assert sorted(KNOWN) == sorted(name for name, row in ARCHITECTURES.items() if row.needs is None)

"""The output of `LLM.encode`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from vtag.decode import scores
from vtag.decode.top_k import most_probable
from vtag.errors import error


@dataclass(frozen=True, slots=True, eq=False)
class TokenClassificationOutput:
    """The output of `LLM.encode` for one text of T tokens, special tokens included.

    Attributes:
        data: float32 [T, labels], logits (neither softmax nor sigmoid).
        outputs: vLLM's view of the same numbers: `outputs.data` is a torch tensor on `data`'s memory.
        tokens: the T token strings.
        token_ids: their T ids.
        offsets: int32 [T, 2], code points of the text, end exclusive, (0, 0) for special tokens; None for token ids or
            without a fast tokenizer.
        labels: id2label.
        windows: how many windows the text needed.
        request_id: the prompt's number in the call.
        prompt_token_ids: as `token_ids`, under vLLM's name.
        finished: always true.
        multi_label: whether a token can have several labels: probabilities are sigmoids then.
    """

    data: np.ndarray
    outputs: Any
    tokens: list[str]
    token_ids: list[int]
    offsets: np.ndarray | None
    labels: dict[int, str]
    windows: int
    request_id: str
    prompt_token_ids: list[int]
    finished: bool = True
    multi_label: bool = False

    @property
    def probabilities(self) -> np.ndarray:
        """float32 [T, labels]: softmax of `data`; sigmoid for models with one label or with several labels a token."""
        return scores.probabilities(self.data, multi_label=self.multi_label)

    def top_k(self, k: int) -> list[list[tuple[str, float]]]:
        """The k most probable labels of each token with their probabilities, highest first.

        Args:
            k: how many, at least 1.

        Returns:
            For each of the T tokens at most k pairs of a label and its probability in [0, 1].

        Raises:
            SettingError: if k is less than 1.
        """
        if k < 1:
            raise error("bad_top_k", k=k)
        return most_probable(self.probabilities, list(self.labels.values()), k, multi_label=self.multi_label)

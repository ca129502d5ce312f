"""Characters are told apart as those who read them would: by script, and by what stands between words."""

from __future__ import annotations

import numpy as np
import pytest

from vtag.decode.characters import AFFIXED, LETTER, OTHER, PUNCTUATION, SPACE, UNSPACED, classify


@pytest.mark.parametrize(
    ("characters", "kind"),
    [
        (" \n\t\u00a0\u3000\u2028", SPACE),
        (".,;-_/@。、・「」؟।", PUNCTUATION),
        ("aZéßжΩاप3٣½²ा\u0301\u00ad\u200d", None),
        ("漢々〇ひカーｶｰｯㄅꀀ", UNSPACED),
        ("กาลខမᥐᦀᨠꪀབꦲᬅ", UNSPACED),
        ("한글ᄒحبאשܐ", AFFIXED),
        ("€+☃🙂\u200b", OTHER),
    ],
)
def test_characters_have_the_class_of_their_kind(characters: str, kind: int | None) -> None:
    codes = np.array([ord(character) for character in characters], np.uint32)
    classes = classify(codes)
    assert classes[-1] == OTHER
    got = set(classes[:-1].tolist())
    assert got == {kind} if kind is not None else got <= {LETTER, AFFIXED}

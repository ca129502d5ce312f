"""What a model's card tells."""

from __future__ import annotations

from pathlib import Path

import pytest

from vtag.model.checkpoint import languages


@pytest.mark.parametrize(
    ("card", "codes"),
    [
        ("---\nlanguage: en\n---\n", ["en"]),
        ("---\nlanguage:\n- DE\n- no\n- 'fr'\n---\n# A model", ["de", "no", "fr"]),
        ("---\nlanguage: no\n---\n", ["no"]),
        ("---\nlanguage: multilingual\n---\n", []),
        ("---\nlanguage:\n- en\n- multilingual\n---\n", []),
        ("---\nlanguage: eng\n---\n", []),
        ("---\nlanguage: {en: 1}\n---\n", []),
        ("---\nlanguage: [[en], 7, null]\n---\n", []),
        ("---\nlicense: mit\n---\n", []),
        ("---\n- a\n---\n", []),
        ("---\nlanguage: [en\n---\n", []),
        ("# A model for language: en", []),
        ("", []),
        (None, []),
        (b"---\nlanguage: \xff\n---\n", []),
    ],
)
def test_languages_are_those_of_the_card_where_it_names_them(
    tmp_path: Path, card: str | bytes | None, codes: list[str]
) -> None:
    if card is not None:
        (tmp_path / "README.md").write_bytes(card.encode() if isinstance(card, str) else card)
    assert languages(tmp_path) == codes

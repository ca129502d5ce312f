"""Texts, words and prompts."""

from __future__ import annotations

from vtag.errors.base import InputError, Kind

TABLE: dict[str, Kind] = {
    "not_a_string": Kind(InputError, 422, 4, "text {index} is {type}, not a string: pass strings"),
    "input_or_words": Kind(InputError, 422, 4, "pass either {input} or words, not both and not neither"),
    "not_texts": Kind(
        InputError,
        422,
        4,
        "{what} are {type}: pass them in a list, a generator, an array or a Series (of a table: one column)",
    ),
    "words_string": Kind(InputError, 422, 4, "words are a string: pass a list of words, or texts instead of words"),
    "not_a_prompt": Kind(InputError, 422, 4, "prompt {index} is {type}: pass a string or a list of token ids"),
    "empty_prompt": Kind(InputError, 422, 4, "prompt {index} has no token ids: pass at least one"),
    "id_outside": Kind(
        InputError, 422, 4, "a token id is outside of the model's vocabulary of {size}: use the model's own tokenizer"
    ),
    "prompt_too_long": Kind(
        InputError,
        422,
        4,
        "a prompt of {tokens} tokens is longer than the model's {limit}: leave pooling_task and pooling_params out,"
        " so that it runs in windows",
    ),
    "not_words": Kind(InputError, 422, 4, "words[{index}] is not a list of strings: pass one list of words per text"),
    "lone_surrogate": Kind(
        InputError,
        422,
        4,
        "text {index} has a lone surrogate at character {position}: read it with the right encoding",
    ),
    "tokenizer_fails": Kind(
        InputError,
        422,
        4,
        "text {index}: the model's tokenizer fails on it: leave it out, or add an unknown token to tokenizer.json",
    ),
    "no_offsets": Kind(
        InputError,
        422,
        4,
        "text {index}: this model's tokenizer has no offsets, and its tokens do not spell the text:"
        " pass words=[[...], ...]",
    ),
}

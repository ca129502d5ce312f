"""Spans taken out of texts, by a policy, and the way back: text + spans + policy -> text + replacements."""

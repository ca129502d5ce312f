"""From logits to spans; imports numpy and regex alone."""

"""From logits to spans; imports numpy alone."""

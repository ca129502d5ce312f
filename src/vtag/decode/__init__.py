"""From logits to spans. Imports only numpy and regex."""

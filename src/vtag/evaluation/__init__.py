"""How good spans are: gold and found spans -> one report."""

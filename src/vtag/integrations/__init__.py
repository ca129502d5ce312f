"""vtag inside other frameworks: one module and one extra for each."""

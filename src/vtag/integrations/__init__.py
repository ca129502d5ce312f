"""vtag in other people's frameworks, each a module and an extra of its name."""

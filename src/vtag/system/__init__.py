"""This machine and this process: what they have, and how they are set up before an engine starts."""

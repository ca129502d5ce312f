"""The protocols of clients: one file, or folder, for each."""

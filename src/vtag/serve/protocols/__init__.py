"""What clients speak: one file, or folder, for each neighbour."""

"""Records out of files and into files: one small module a format, one table of them, and the journal of a run."""

"""The command line: arguments in, calls, results out. One file a command, imported when the command is called."""

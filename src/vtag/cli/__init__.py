"""The command line: arguments in, calls, results out. One file a command, loaded when the command is called."""

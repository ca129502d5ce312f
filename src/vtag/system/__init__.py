"""This machine and this process: hardware, environment, memory and garbage collection."""

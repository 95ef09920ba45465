"""QueueHub at work on real input: it parses the Python files of this machine."""

"""What the engine says to its servers, counted: the same on every machine, however fast it is."""

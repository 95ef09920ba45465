"""One module per system; each is imported by its own system's interpreter only."""

"""Tests of the engine's heart: states, definition, enqueueing, lifecycle, executor and the worker's pieces."""

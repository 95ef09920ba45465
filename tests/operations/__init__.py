"""Tests of what operators do to many jobs at once, of who may, and of what explains a failure."""

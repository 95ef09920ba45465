"""Fixtures of these tests: those of the acceptance tests, whose tasks they use too."""

from tests.acceptance.conftest import command, journal, pool
from tests.figures import figures

__all__ = ["command", "figures", "journal", "pool"]

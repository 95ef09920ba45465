"""Fixtures of the transports' tests."""

from tests.transports.rq_fixtures import rq_entry, rq_transport

__all__ = ["rq_entry", "rq_transport"]

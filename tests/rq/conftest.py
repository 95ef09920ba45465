"""Fixtures of the tests with RQ."""

from tests.transports.rq_fixtures import rq_transport

__all__ = ["rq_transport"]

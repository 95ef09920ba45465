"""Tests of the transports: one contract suite for all, and what is particular to each."""

import pytest

pytest.register_assert_rewrite("tests.transports.contract")

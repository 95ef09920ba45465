"""What a connection to PostgreSQL does when the other side vanishes: the system's sockets are asked, no settings."""

import os
import socket

import pytest
from django.db import ConnectionHandler

from queuehub.databases import LOST_SERVER_OPTIONS, database
from tests.security.least.servers import Ledger


def test_a_server_that_vanishes_is_given_up_after_half_a_minute(migrated: Ledger) -> None:
    wrapper = ConnectionHandler({"default": database(migrated.url("web"), 0)})["default"]
    with wrapper.get_new_connection(wrapper.get_connection_params()) as connection:
        with socket.socket(fileno=os.dup(connection.fileno())) as used:
            assert used.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
            names = (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT, socket.TCP_USER_TIMEOUT)
            idle, interval, count, unanswered = (used.getsockopt(socket.IPPROTO_TCP, name) for name in names)
    assert idle + interval * count <= 30
    assert 0 < unanswered <= 30_000


@pytest.mark.fast
@pytest.mark.parametrize("pool_size", [0, 2])
def test_what_the_address_says_goes_first(pool_size: int) -> None:
    options = database("postgres://u@h/name?keepalives_idle=99", pool_size)["OPTIONS"]
    assert {name: int(options[name]) for name in LOST_SERVER_OPTIONS} == {**LOST_SERVER_OPTIONS, "keepalives_idle": 99}

"""The embedded server: real servers in directories of their own."""

import os
import shutil
import signal
import socket
import sys
from pathlib import Path

import pytest
import redis

from queuehub import embedded
from queuehub.embedded import EmbeddedServer, EmbeddedServerError, answers, socket_path
from tests.support import Processes, eventually, is_alive

OWNER = """
import sys, time
from pathlib import Path
from queuehub.embedded import EmbeddedServer
server = EmbeddedServer(Path(sys.argv[1])).start()
print("pid", server.process.pid, flush=True)
time.sleep(600)
"""


def test_it_speaks_redis_on_a_unix_socket_and_listens_on_no_port(tmp_path):
    with EmbeddedServer(tmp_path) as server, redis.Redis.from_url(server.url) as client:
        assert client.ping()
        assert client.config_get("port") == {"port": "0"}
        assert client.config_get("save") == {"save": ""}
    assert not server.socket_path.exists()


def test_a_second_start_joins_and_its_stop_leaves_the_server_alone(tmp_path):
    with EmbeddedServer(tmp_path) as owner:
        joined = EmbeddedServer(tmp_path).start()
        assert owner.is_owner
        assert not joined.is_owner
        joined.stop()
        assert answers(owner.socket_path)


def test_a_stale_socket_is_replaced(tmp_path):
    stale = socket.socket(socket.AF_UNIX)
    stale.bind(str(tmp_path / embedded.SOCKET_NAME))
    stale.close()
    with EmbeddedServer(tmp_path) as server:
        assert server.is_owner
        assert answers(server.socket_path)


def test_it_can_be_started_again_after_a_stop(tmp_path):
    server = EmbeddedServer(tmp_path)
    for _ in range(2):
        with server:
            assert answers(server.socket_path)
    assert not server.is_owner


def test_it_dies_with_an_owner_that_is_killed(tmp_path: Path, processes: Processes):
    owner = processes.start(sys.executable, "-c", OWNER, str(tmp_path))
    owner.wait_for("pid ")
    pid = int(owner.output.split()[1])
    assert is_alive(pid)
    os.kill(owner.pid, signal.SIGKILL)
    owner.wait()
    eventually(lambda: not is_alive(pid), message="the server outlives its owner")
    with EmbeddedServer(tmp_path) as heir:
        assert heir.is_owner


def test_ctrl_c_in_the_terminal_reaches_the_owner_but_not_the_server(tmp_path):
    with EmbeddedServer(tmp_path) as server:
        assert server.process is not None
        assert os.getpgid(server.process.pid) != os.getpgid(0)


def test_a_server_that_cannot_start_says_where_to_look(tmp_path):
    (tmp_path / "valkey.log").mkdir()
    with pytest.raises(EmbeddedServerError, match=r"see .*valkey\.log, or set REDIS_URL"):
        EmbeddedServer(tmp_path).start()


def test_a_path_too_long_for_a_socket_moves_to_the_temporary_directory(tmp_path):
    deep = tmp_path / ("d" * 120)
    moved = socket_path(deep)
    assert len(os.fsencode(moved)) <= 107
    assert moved == socket_path(deep)
    assert moved != socket_path(tmp_path / ("e" * 120))
    with EmbeddedServer(deep) as server:
        assert server.socket_path == moved
        assert answers(moved)
        assert moved.parent.stat().st_mode & 0o777 == 0o700
    shutil.rmtree(moved.parent)


@pytest.mark.fast
def test_redis_url_from_the_environment_comes_first(monkeypatch, tmp_path):
    monkeypatch.setenv("REDIS_URL", "redis://broker.example.org")
    assert embedded.redis_url() == "redis://broker.example.org"
    assert not embedded.is_missing()
    monkeypatch.delenv("REDIS_URL")
    monkeypatch.setenv("QUEUEHUB_RUNTIME_DIR", str(tmp_path))
    assert embedded.redis_url() == f"unix://{tmp_path / 'valkey.sock'}"
    assert embedded.is_missing()

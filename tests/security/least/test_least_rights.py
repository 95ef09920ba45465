"""The least rights are enough for a whole life, over TLS and through a change of passwords, and no more than that."""

import re
import socket
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from pathlib import Path
from typing import Any

import psycopg
import pytest
import redis
from django.apps import apps
from django.db import ConnectionHandler

from dashboards.models import RateWindow
from jobs import models
from jobs.errors import TransportUnavailable
from jobs.transports.rq import RQTransport
from queuehub.brokers import rq_queue
from queuehub.databases import database
from tests.docs.documents import blocks
from tests.security.least import life
from tests.security.least.browsing import Visitor
from tests.security.least.conftest import Start
from tests.security.least.forbidden import AUDIT, FORBIDDEN, FORBIDDEN_TO_ALL, REDIS_FORBIDDEN, REDIS_FORBIDDEN_TO_ALL
from tests.security.least.servers import Authority, Broker, Ledger
from tests.support import PROJECT, Processes, eventually

GRANTS = (PROJECT / "ops/postgresql/grants.sql").read_text()
# what each part writes by the ORM
INSERTED = {
    "web": (models.Queue, models.Statistic, models.AuditEntry, models.Operation, models.OperationResult, RateWindow),
    "worker": (models.Queue, models.Statistic, models.Worker),
    "scheduler": (
        *(models.Queue, models.Statistic, models.AuditEntry, models.OperationResult, models.FailureGroup),
        *(models.Schedule, models.ScheduleRun, models.SchedulerLease),
    ),
}


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_a_whole_life_meets_no_refusal(
    web: str, ledger: Ledger, broker: Broker, start: Start, processes: Processes, tmp_path: Path
) -> None:
    pool = start("worker", "manage.py", "jobs_worker", "--processes", "2")
    first = start("scheduler", "manage.py", "jobs_scheduler")
    life.declare_a_schedule_that_cannot_fire(ledger)
    application = start("web", "-m", "tests.security.least.application", str(tmp_path))
    application.wait_for("enqueued in every way", 60)
    visitor = Visitor(web).log_in("root", "root")
    ended = {"dead": 3, "cancelled": 2, "running": 1, "succeeded": 0}
    others = "queue NOT LIKE 'bulk%'"
    eventually(lambda: {**life.states(ledger, others), "succeeded": 0} == ended, 40, "the jobs did not end")

    life.look_at_everything(visitor)
    assert ledger.rows("SELECT count(*) FROM jobs_auditentry WHERE target = 'schedule broken'") == [(1,)]
    assert "\nworker " in life.ask_rq(broker, processes)
    life.use_every_verb(visitor, ledger)
    life.manage_users(visitor, ledger)
    life.lose_a_pool_and_all_messages(pool, application, ledger, broker, start, tmp_path / "held")
    assert start("reader", "manage.py", "rqstats").wait() == 0

    told = "SELECT count(*) FROM jobs_notice WHERE told_at IS NOT NULL"
    eventually(lambda: ledger.rows(told) != [(0,)], 20, "nobody was told of the dead letters")
    assert first.stop() == 0
    life.change_passwords("scheduler", ledger, broker)
    life.let_time_pass(ledger)
    second = start("scheduler", "manage.py", "jobs_scheduler", number=2)
    eventually(lambda: set(life.states(ledger, "finished_at < now() - interval '1 day'")) == {"dead"}, 30)
    gone = "SELECT count(*) FROM jobs_schedulerun WHERE fired_at < now() - interval '1 day'"
    eventually(lambda: ledger.rows(gone) == [(0,)], 20)
    kept = "SELECT (SELECT count(*) FROM jobs_operation), (SELECT count(*) FROM jobs_failuregroup WHERE frame = 'old')"
    eventually(lambda: ledger.rows(kept) == [(0, 0)], 20)
    assert life.states(ledger, "state = 'dead' AND fingerprint IS NULL") == {}
    assert second.stop() == 0
    assert life.refusals(ledger, broker, processes.started) == []


@pytest.mark.parametrize("part", FORBIDDEN)
def test_postgresql_refuses_each_role_what_it_need_not_do(migrated: Ledger, part: str) -> None:
    done = []
    with psycopg.connect(migrated.url(part), autocommit=True) as connection:
        for statement in (*FORBIDDEN_TO_ALL, *FORBIDDEN[part]):
            try:
                connection.execute(statement)
            except psycopg.errors.InsufficientPrivilege:
                continue
            done.append(statement)
    assert done == []


@pytest.mark.parametrize("part", REDIS_FORBIDDEN)
def test_redis_refuses_each_user_what_it_need_not_do(broker: Broker, part: str) -> None:
    done = []
    with redis.Redis.from_url(broker.url(part)) as client:
        for command in (*REDIS_FORBIDDEN_TO_ALL, *REDIS_FORBIDDEN[part]):
            try:
                client.execute_command(*command.split())
            except redis.exceptions.NoPermissionError:
                continue
            except redis.ResponseError as error:
                if "not allowed" in str(error):  # the server refuses DEBUG to everybody, without asking for rights
                    continue
            done.append(command)
    assert done == []


def test_redis_refuses_whoever_has_no_password(broker: Broker) -> None:
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(broker.socket_path))
        client.sendall(b"PING\r\n")
        assert client.recv(100).startswith(b"-NOAUTH")


def test_a_server_with_a_foreign_certificate_or_name_is_not_believed(
    migrated: Ledger, broker: Broker, tmp_path: Path, settings: Any
) -> None:
    stranger = Authority(tmp_path / "stranger").create()
    for server in ({"root": stranger.root}, {"host": "127.0.0.1"}):
        settings.RQ_QUEUES = {"default": rq_queue(broker.url("web", **server))}
        transport = RQTransport()
        with pytest.raises(TransportUnavailable, match=r"certificate|CERTIFICATE"):
            transport.ping()
        transport.close()
        databases = ConnectionHandler({"default": database(migrated.url("web", **server), pool_size=0)})
        with pytest.raises(psycopg.OperationalError, match="certificate"):
            databases["default"].connect()


def test_postgresql_takes_nobody_without_tls(migrated: Ledger) -> None:
    with pytest.raises(psycopg.OperationalError, match="no encryption"):
        psycopg.connect(migrated.url("web").replace("verify-full", "disable"))


def test_a_grant_by_mistake_opens_the_audit_log_to_nobody(migrated: Ledger) -> None:
    migrated.rows("INSERT INTO jobs_auditentry (actor, action, target) VALUES ('ann', 'retry', 'job 1')")
    ((count,),) = migrated.rows("SELECT count(*) FROM jobs_auditentry")
    migrated.rows("GRANT ALL ON jobs_auditentry TO queuehub_web")
    rewrite = "INSERT INTO jobs_auditentry SELECT * FROM jobs_auditentry ON CONFLICT (id) DO UPDATE SET actor = 'x'"
    try:
        with psycopg.connect(migrated.url("web"), autocommit=True) as connection:
            connection.execute("SET queuehub.audit_retention = 'on'")
            for statement in (*AUDIT, rewrite):
                with pytest.raises(psycopg.errors.InsufficientPrivilege, match="append-only"):
                    connection.execute(statement)
    finally:
        migrated.psql("-f", str(PROJECT / "ops/postgresql/grants.sql"), url=migrated.url("owner"))
    assert migrated.rows("SELECT count(*) FROM jobs_auditentry WHERE actor <> 'x'") == [(count,)]


def test_the_owner_deletes_old_audit_rows_only_on_purpose(ledger: Ledger) -> None:
    for age in ("1 year", "3 years"):
        columns = "jobs_auditentry (at, actor, action, target)"
        ledger.rows(f"INSERT INTO {columns} VALUES (now() - interval '{age}', 'ann', 'retry', 'job 1')")
    (documented,) = (block.text for block in blocks(life.GUIDE, "postgresql") if "audit_retention" in block.text)
    with psycopg.connect(ledger.url("owner"), autocommit=True) as connection:
        for round_count in (2, 1):
            for statement in AUDIT[:2]:
                with pytest.raises(psycopg.errors.InsufficientPrivilege, match="append-only"):
                    connection.execute(statement)
            assert ledger.rows("SELECT count(*) FROM jobs_auditentry WHERE actor = 'ann'") == [(round_count,)]
            connection.execute(documented)


def test_the_migration_of_the_audit_log_waits_for_operators_and_holds_up_no_job(migrated: Ledger) -> None:
    migration: Any = import_module("jobs.migrations.0002_audit_append_only")
    waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'jobs_auditentry'::regclass"
    with (
        psycopg.connect(migrated.url("web")) as operator,
        psycopg.connect(migrated.url("web"), autocommit=True) as application,
        psycopg.connect(migrated.url("owner")) as owner,
        ThreadPoolExecutor(1) as thread,
    ):
        operator.execute("INSERT INTO jobs_auditentry (actor, action, target) VALUES ('ann', 'retry', 'job 1')")
        owner.execute(migration.LOCK_TIMEOUT)
        waits = thread.submit(owner.execute, migration.POSTGRESQL_REMOVAL[0])
        eventually(lambda: migrated.rows(waiting) == [(1,)])
        application.execute("SET statement_timeout = '1s'")
        application.execute("INSERT INTO jobs_job (task) VALUES ('enqueued.meanwhile')")
        operator.commit()
        waits.result(5)
        owner.execute(migration.POSTGRESQL_TRIGGER)


def test_each_role_may_read_what_its_inserts_return(migrated: Ledger) -> None:
    missing = [
        (part, model.__name__, field.column)
        for part, models in INSERTED.items()
        for model in models
        for field in model._meta.db_returning_fields
        if migrated.rows(
            f"SELECT has_column_privilege('queuehub_{part}', '{model._meta.db_table}', '{field.column}', 'SELECT')"
        ) != [(True,)]
    ]  # fmt: skip
    assert missing == []


def test_the_guide_names_every_command_of_the_redis_users() -> None:
    guide, users = life.GUIDE.read_text(), (PROJECT / "ops/redis/users.acl").read_text().splitlines()
    granted = {command.upper() for line in users if "-reader" not in line for command in re.findall(r"\+(\w+)", line)}
    assert granted - {"CLIENT"} - set(re.findall(r"[A-Z]+", guide)) == set()


def test_the_grants_speak_of_every_table() -> None:
    models = [model for label in ("jobs", "dashboards") for model in apps.get_app_config(label).get_models()]
    assert {model._meta.db_table for model in models} - set(re.findall(r"\w+", GRANTS)) == set()

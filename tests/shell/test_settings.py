"""The settings module, imported in fresh processes with a given environment."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import PROJECT

SHOW = """
import json
from queuehub.settings import *
print(json.dumps({name: value for name, value in globals().items() if name.isupper()}, default=str))
"""
PRODUCTION = {
    "QUEUEHUB_ENV": "production",
    "SECRET_KEY": "a-key-with-more-than-fifty-characters-of-many-kinds-0123456789!",
    "ALLOWED_HOSTS": "jobs.example.org",
}
OURS = ("QUEUEHUB", "DATABASE_URL", "REDIS_URL", "SECRET_KEY", "ALLOWED_HOSTS", "DJANGO", "DEBUG", "CI")


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
    return {**kept, "QUEUEHUB_RUNTIME_DIR": str(tmp_path / "var")}


def run_python(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=PROJECT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def settings(environment: dict[str, str], **variables: str) -> dict[str, object]:
    shown = run_python({**environment, **variables}, "-c", SHOW)
    assert shown.returncode == 0, shown.stderr
    return json.loads(shown.stdout)


def test_without_any_variable_localhost_works_over_plain_http(environment):
    shown = settings(environment)
    assert "localhost" in shown["ALLOWED_HOSTS"]
    assert not shown["SECURE_SSL_REDIRECT"]
    assert not shown["SESSION_COOKIE_SECURE"]
    assert shown["DEBUG"] is False
    assert shown["RQ_QUEUES"]["default"]["URL"].startswith("unix://")


def test_the_development_key_is_made_once_and_only_its_owner_may_read_it(environment):
    first, second = settings(environment), settings(environment)
    assert first["SECRET_KEY"] == second["SECRET_KEY"]
    key = Path(environment["QUEUEHUB_RUNTIME_DIR"]) / "secret-key"
    assert key.stat().st_mode & 0o777 == 0o600


def test_sqlite_is_safe_against_a_power_failure_and_never_upgrades_a_read_lock(environment):
    options = settings(environment)["DATABASES"]["default"]["OPTIONS"]
    assert options["transaction_mode"] == "IMMEDIATE"
    assert "journal_mode=WAL" in options["init_command"]
    assert "synchronous=FULL" in options["init_command"]
    assert options["timeout"] == 20


def test_only_the_web_server_pools_its_postgresql_connections(environment):
    url = "postgres://me@db.example.org/queuehub"
    worker = settings(environment, DATABASE_URL=url)["DATABASES"]["default"]
    web = settings(environment, DATABASE_URL=url, QUEUEHUB_DATABASE_POOL_SIZE="8")["DATABASES"]["default"]
    assert "pool" not in worker["OPTIONS"]
    assert worker["CONN_MAX_AGE"] is None
    assert web["OPTIONS"]["pool"]["max_size"] == 8
    assert web["CONN_MAX_AGE"] == 0
    assert "prepare_threshold" not in web["OPTIONS"]


def test_a_redis_url_is_used_as_it_is(environment):
    shown = settings(environment, REDIS_URL="rediss://broker.example.org:6380/1")
    assert shown["RQ_QUEUES"]["default"]["URL"] == "rediss://broker.example.org:6380/1"
    assert shown["RQ_QUEUES"]["default"]["SERIALIZER"] == "rq.serializers.JSONSerializer"


@pytest.mark.parametrize("name", ["SECRET_KEY", "ALLOWED_HOSTS"])
def test_production_fails_loudly_without_what_it_needs(environment, name):
    incomplete = {key: value for key, value in PRODUCTION.items() if key != name}
    shown = run_python({**environment, **incomplete}, "-c", SHOW)
    assert shown.returncode != 0
    assert f"ImproperlyConfigured: QUEUEHUB_ENV=production needs {name}" in shown.stderr


def test_a_misspelt_environment_is_refused(environment):
    shown = run_python({**environment, "QUEUEHUB_ENV": "prod"}, "-c", SHOW)
    assert "QUEUEHUB_ENV is 'prod'" in shown.stderr


def test_production_leaves_the_demo_out_and_writes_nothing_with_a_database(environment):
    shown = settings(environment, **PRODUCTION, DATABASE_URL="postgres://me@db.example.org/queuehub")
    assert "demo" not in shown["INSTALLED_APPS"]
    assert not Path(environment["QUEUEHUB_RUNTIME_DIR"]).exists()


def test_the_deployment_check_finds_nothing_to_warn_of_in_production(environment):
    checked = run_python(
        {**environment, **PRODUCTION}, "manage.py", "check", "--deploy", "--fail-level", "WARNING"
    )
    assert checked.returncode == 0, checked.stderr
    assert "no issues" in checked.stdout


def test_an_unwritable_runtime_directory_is_named(environment, tmp_path):
    (tmp_path / "file").touch()
    shown = run_python({**environment, "QUEUEHUB_RUNTIME_DIR": str(tmp_path / "file" / "var")}, "-c", SHOW)
    assert "set QUEUEHUB_RUNTIME_DIR" in shown.stderr


@pytest.mark.parametrize("command", ["jobs_worker", "jobs_scheduler", "rqstats"])
def test_a_command_that_needs_redis_says_in_one_line_that_there_is_none(environment, command):
    ended = run_python(environment, "manage.py", command)
    assert ended.returncode == 2
    assert ended.stderr == "set REDIS_URL or run make demo\n"
    assert ended.stdout == ""

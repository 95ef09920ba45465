"""The documents' Python examples run as they stand.

A block whose first line is a comment with a file name is that file: `tasks.py` becomes an importable module whose tasks
are registered, `settings.py` is laid over the project's settings, a `test_*.py` has its tests called. The other
blocks of a document are one session in a shell, on the ledger and the transport in memory.
"""

import ast
import inspect
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.apps import AppConfig
from django.core import mail
from django.db import connection
from django.test import override_settings
from django.urls import URLPattern, URLResolver

from jobs import checks, checks_rq
from jobs.conf import get_settings
from jobs.definition import registry
from jobs.models import Job
from jobs.states import WAITING
from jobs.testing import run_jobs
from tests.docs.documents import Block, blocks, documents
from tests.support import PROJECT

MEMORY = {"TRANSPORT": "jobs.transports.memory.MemoryTransport"}
FOLLOWED_IN_A_PROJECT = {"adopt.md"}  # by test_adopt.py
WITH_EXAMPLES = [
    path for path in documents() if any(blocks(path, "python")) and path.name not in FOLLOWED_IN_A_PROJECT
]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("path", WITH_EXAMPLES, ids=lambda path: str(path.relative_to(PROJECT)))
def test_the_examples_run(
    path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    settings.QUEUEHUB = {**settings.QUEUEHUB, **MEMORY}
    monkeypatch.setattr(registry, "_tasks", dict(registry._tasks))
    shell: dict[str, Any] = {"__name__": "shell"}
    for block in blocks(path, "python"):
        name = Path(block.title).name
        if name == "settings.py":
            _check_settings(block)
        elif name == "urls.py":
            patterns = _execute(block, {"__name__": "urls"})["urlpatterns"]
            assert all(isinstance(pattern, URLPattern | URLResolver) for pattern in patterns)
        elif name.startswith("test_"):
            _call_tests(_execute(block, {"__name__": "tests_of_the_reader"}), request)
        elif block.title:
            registry.register_module(_make_module(block, monkeypatch))
        else:
            _execute(block, shell)


@pytest.mark.django_db
def test_rows_of_the_documented_sql_are_legal_jobs() -> None:
    statements = [sql for path in documents() for block in blocks(path, "sql") for sql in block.text.split(";\n")]
    inserts = [sql for sql in statements if sql.strip()]
    assert inserts
    for sql in inserts:
        with connection.cursor() as cursor:
            cursor.execute(sql)
    jobs = list(Job.objects.all())
    assert len(jobs) == len(inserts)
    for job in jobs:
        assert job.state in WAITING
        assert job.id.version == 7
        registry.get(job.task).bind(job.args, job.kwargs)


def test_there_are_examples_in_the_documents_for_developers() -> None:
    names = {path.name for path in WITH_EXAMPLES}
    assert {"README.md", "tasks.md", "rq.md"} <= names


def _execute(block: Block, namespace: dict[str, Any]) -> dict[str, Any]:
    """Run a block, `await` at its top level included, with the document's line numbers in tracebacks."""
    source = "\n" * block.line + block.text
    code = compile(source, str(block.path), "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    result = eval(code, namespace)
    if inspect.iscoroutine(result):
        _wait_for(result)
    return namespace


@async_to_sync
async def _wait_for(coroutine: Any) -> None:
    await coroutine


def _make_module(block: Block, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Make `shop/tasks.py` importable as shop.tasks; a second block of that title goes on with it."""
    name = block.title.removesuffix(".py").replace("/", ".")
    package, _, last = name.rpartition(".")
    if package not in sys.modules:
        parent = ModuleType(package)
        parent.__path__ = []
        monkeypatch.setitem(sys.modules, package, parent)
    module = sys.modules.get(name) or ModuleType(name)
    monkeypatch.setitem(sys.modules, name, module)
    setattr(sys.modules[package], last, module)
    _execute(block, vars(module))
    return module


def _check_settings(block: Block) -> None:
    from queuehub import settings as project

    names = {name: value for name, value in vars(project).items() if name.isupper()}
    changed = _execute(block, {"__name__": "settings", "__file__": str(block.path), **names})
    wanted = {name: value for name, value in changed.items() if name.isupper() and names.get(name) is not value}
    for app in wanted.pop("INSTALLED_APPS", []):
        AppConfig.create(app)
    wanted.pop("DATABASES", None)  # opening another database is not what this is about
    with override_settings(**wanted):
        problems = [*checks.check_settings(), *checks_rq.check_rq()]
        if not problems:
            settings = get_settings()
            problems = [*checks.check_schedules(settings), *checks.check_tasks(settings)]
    assert problems == []


def _call_tests(namespace: dict[str, Any], request: pytest.FixtureRequest) -> None:
    tests = [value for name, value in namespace.items() if name.startswith("test_") and callable(value)]
    assert tests
    for test in tests:
        run_jobs()  # a test of the reader's begins with nothing due
        mail.outbox.clear()
        test(**{name: request.getfixturevalue(name) for name in inspect.signature(test).parameters})

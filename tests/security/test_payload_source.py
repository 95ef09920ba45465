"""Our own code calls nothing that turns data into code."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import PROJECT

pytestmark = pytest.mark.security

PACKAGES = ("jobs", "dashboards", "queuehub", "demo")
FORBIDDEN_MODULES = {"pickle", "dill", "cloudpickle", "marshal", "shelve", "yaml", "jsonpickle", "code", "runpy"}
FORBIDDEN_CALLS = {"eval", "exec", "compile", "__import__", "system", "popen"}
ALLOWED = {
    ("demo/processes.py", "subprocess"): "starts the demo's own commands",
    ("queuehub/embedded.py", "subprocess"): "starts the server of our own wheel",
    ("jobs/definition.py", "import_module"): "tasks.py of installed apps and QUEUEHUB['TASK_MODULES']",
    ("jobs/notifications/start.py", "import_module"): "the tasks that send notifications, where they are wanted",
    ("jobs/transports/rq_plain.py", "import_module"): "names of QUEUEHUB['PLAIN_RQ_FUNCTIONS'] only",
    ("jobs/transports/__init__.py", "import_string"): "QUEUEHUB['TRANSPORT']",
    ("jobs/checks/configuration.py", "import_string"): "manage.py check: the same setting",
    ("jobs/checks/deployment.py", "import_string"): "manage.py check: the same setting",
    ("jobs/checks_rq.py", "import_string"): "manage.py check: classes that RQ's settings name",
}
NEEDS_A_REASON = {"subprocess", "import_module", "import_string"}


def files() -> Iterator[Path]:
    for package in PACKAGES:
        yield from sorted((PROJECT / package).rglob("*.py"))


def names(path: Path) -> Iterator[str]:
    """Yield the modules that a file imports and the names that it calls."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield (node.module or "").partition(".")[0]
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            yield node.func.id
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr != "compile":
            yield node.func.attr  # re.compile is another thing


def test_nothing_deserialises_code_or_evaluates_text() -> None:
    found = {(str(path.relative_to(PROJECT)), name) for path in files() for name in names(path)}
    assert len(found) > 1000
    bad = {(path, name) for path, name in found if name in FORBIDDEN_MODULES | FORBIDDEN_CALLS}
    assert not bad
    assert {(path, name) for path, name in found if name in NEEDS_A_REASON} == set(ALLOWED)

"""Labels stay few and whole, whatever is registered and whatever stands in the ledger."""

from types import ModuleType
from typing import Any

import pytest
from django.db import connection

from dashboards.metrics import labels
from jobs import task
from jobs.definition import TaskRegistry
from tests.factories import make_job
from tests.metrics.scraping import parsed, scraped, value

ADD = "tests.tasks.add"
HOSTILE = 'a"b\\c\nqueuehub_forged_total 1\n'


def module_of_tasks(count: int, **options: Any) -> ModuleType:
    """Return a module with so many tasks, task_000 first."""
    module = ModuleType("shop.tasks")
    for number in range(count):
        name = f"task_{number:03}"

        def function() -> None: ...

        function.__module__, function.__name__, function.__qualname__ = module.__name__, name, name
        setattr(module, name, task(**options)(function))
    return module


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> TaskRegistry:
    """An empty registry of tasks, by which labels are given."""
    made = TaskRegistry()
    monkeypatch.setattr(labels, "tasks", made)
    return made


@pytest.mark.fast
def test_no_more_than_500_tasks_have_labels(registry: TaskRegistry) -> None:
    registry.register_module(module_of_tasks(501))
    found = labels.task_labels()
    assert len(set(found.values())) == 500
    assert found["shop.tasks.task_499"] == "shop.tasks.task_499"
    assert found.get("shop.tasks.task_500", labels.OTHER) == labels.OTHER


@pytest.mark.fast
def test_a_former_name_of_a_task_counts_as_its_present_one(registry: TaskRegistry) -> None:
    registry.register_module(module_of_tasks(1, aliases=["old.name"]))
    assert labels.task_labels() == {"old.name": "shop.tasks.task_000", "shop.tasks.task_000": "shop.tasks.task_000"}


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("memory_transport")
def test_a_hostile_queue_of_plain_sql_forges_no_line() -> None:
    make_job("dead", task=ADD, args=[1], queue="mail")
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO jobs_job (task, args, queue) VALUES (%s, '[]', %s)", [HOSTILE, HOSTILE])
    families = scraped()
    assert "queuehub_forged" not in families
    assert value(families["queuehub_queue_jobs"], queue=HOSTILE, state="queued") == 1
    assert value(families["queuehub_jobs_enqueued"], queue=HOSTILE, task=labels.OTHER) == 1


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("memory_transport")
def test_names_choose_several_families_and_are_no_patterns(client: Any) -> None:
    make_job("succeeded", task=ADD, args=[1], queue="mail")
    names = ("queuehub_ledger_up", "queuehub_job_wait_seconds_bucket", "up", ".*")
    asked = "&".join(f"name[]={name}" for name in names)
    answer = client.get(f"/metrics?{asked}")
    assert parsed(answer.content.decode()).keys() == {"queuehub_ledger_up", "queuehub_job_wait_seconds"}
    assert client.get("/metrics?name=queuehub_ledger_up").content.count(b"# TYPE queuehub_") > 20, "another parameter"
    many = "&".join(f"name[]=x{number}" for number in range(1001))
    assert client.get(f"/metrics?{many}").status_code == 400

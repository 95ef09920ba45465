"""Code that hides in data: pickles that run when they are read, and names of functions that nobody released."""

import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import redis
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from rq import Queue
from rq.job import Job as PlainJob

from jobs.models import Job
from tests import tasks
from tests.rq_holes import plain
from tests.rq_holes.conftest import Start


class Bomb:
    """Makes a directory when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return os.mkdir, (str(self.path),)


def test_rq_runs_a_pickle_when_somebody_looks_at_the_job(redis_client: redis.Redis, tmp_path: Path) -> None:
    job = Queue("default", connection=redis_client).enqueue(plain.note, Bomb(tmp_path / "hole"), "job")
    assert not (tmp_path / "hole").exists()
    _ = PlainJob.fetch(job.id, connection=redis_client).args
    assert (tmp_path / "hole").exists()


@pytest.mark.parametrize("function", ["os.mkdir", "builtins.eval"])
def test_rq_runs_any_function_that_can_be_named_even_with_json(
    stock: Start, queue: Queue, tmp_path: Path, function: str
) -> None:
    hole = str(tmp_path / "hole")
    queue.enqueue(function, hole if function == "os.mkdir" else f"__import__('os').mkdir({hole!r})")
    assert stock("worker", "--burst", "default").wait() == 0
    assert (tmp_path / "hole").exists()


@pytest.mark.django_db(transaction=True)
def test_pages_run_no_pickle_that_lies_on_redis(
    client: Client, administrator: User, redis_client: redis.Redis, queue: Queue, tmp_path: Path
) -> None:
    job = tasks.add.enqueue(1)
    bomb = pickle.dumps(Bomb(tmp_path / "hole"))
    plain_job = Queue("default", connection=redis_client).enqueue(plain.note, Bomb(tmp_path / "hole"), "job")
    for key in (f"rq:job:{job.id}-1", plain_job.key):
        redis_client.hset(key, mapping=dict.fromkeys(("data", "meta", "result", "exc_info"), bomb))
    client.force_login(administrator)
    shown = reverse("admin:jobs_job_change", args=[Job.objects.get().pk])
    for address in ("/", "/snapshot.json", "/metrics", "/admin/", shown):
        assert client.get(address).status_code == 200
    assert client.get("/admin/django_rq/dashboard/").status_code == 404
    assert not (tmp_path / "hole").exists()

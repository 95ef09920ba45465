"""What a look at a page, or a scrape, may change: nothing. And who may act: nobody without a permission."""

import time
from datetime import timedelta
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote

import pytest
import redis
from django.apps import apps
from django.contrib import admin
from django.contrib.auth.models import User
from django.contrib.messages.storage.cookie import CookieStorage
from django.db.models.functions import Now
from django.http import HttpRequest
from django.test import Client, RequestFactory
from django.urls import reverse
from django_rq import stats_views, views
from rq import Queue
from rq.job import JobStatus
from rq.registry import FailedJobRegistry, StartedJobRegistry

from jobs.models import AuditEntry, Job, Worker
from tests.factories import begun, claim, make_job, make_worker
from tests.rq_holes import plain
from tests.support import eventually


@pytest.fixture
def stock_site(settings: Any, rq_entry: Any, valkey: Any) -> None:
    """django-rq's own pages, on the test's Valkey."""
    settings.ROOT_URLCONF = "tests.rq_holes.stock_urls"


def stock_request(method: str, path: str = "/") -> HttpRequest:
    """Return a request of a member of the staff who has no permission at all."""
    request = RequestFactory().generic(method, path)
    refuse = lambda *_: False  # noqa: E731
    request.user = SimpleNamespace(  # type: ignore[assignment]
        is_active=True, is_staff=True, is_authenticated=True, is_anonymous=False, pk=1,
        has_perm=refuse, has_perms=refuse, has_module_perms=refuse, has_usable_password=refuse,
        get_username=lambda: "clerk", get_short_name=lambda: "clerk",
    )  # fmt: skip
    request._messages = CookieStorage(request)  # type: ignore[attr-defined]
    return request


# -- a look that changes something --------------------------------------------------------------------
@pytest.mark.parametrize("page", [stats_views.stats, stats_views.prometheus_metrics], ids=["overview", "metrics"])
@pytest.mark.usefixtures("stock_site")
def test_django_rq_cleans_up_when_somebody_looks(
    queue: Queue, redis_client: redis.Redis, monkeypatch: pytest.MonkeyPatch, page: Any
) -> None:
    monkeypatch.setattr(stats_views, "registry", None)
    job = queue.enqueue(plain.note, "nowhere", "job")
    redis_client.delete(queue.key)
    job.set_status(JobStatus.STARTED)
    started = StartedJobRegistry("default", redis_client)
    redis_client.zadd(started.key, {f"{job.id}:execution": time.time() - 1})
    answer = page(stock_request("GET"))
    assert answer.status_code == 200
    assert job.get_status() == "failed"
    assert FailedJobRegistry("default", redis_client).get_job_ids() == [job.id]


def everything() -> dict[str, list[dict[str, Any]]]:
    """Return all rows of the engine."""
    return {
        model.__name__: list(model._default_manager.order_by("pk").values())
        for model in apps.get_app_config("jobs").get_models()
    }


@pytest.mark.django_db(transaction=True)
def test_a_look_at_any_page_repairs_expires_and_deletes_nothing(
    client: Client, administrator: User, redis_client: redis.Redis, settings: Any
) -> None:
    settings.QUEUEHUB = {**settings.QUEUEHUB, "RETENTION_SUCCEEDED_SECONDS": 1}
    past = Now() - timedelta(hours=1)
    begun(claim(make_job(task="tests.tasks.add", args=[1]), make_worker("silent").id))
    Worker.objects.update(heartbeat_at=past)
    make_job("succeeded", task="tests.tasks.add", args=[1])
    make_job("retrying", task="tests.tasks.add", args=[1])
    make_job(task="tests.tasks.add", args=[1])
    Job.objects.filter(state="succeeded").update(finished_at=past)
    Job.objects.filter(state="retrying").update(due_at=past)
    Job.objects.filter(state="queued").update(published_at=past, expires_at=past)
    redis_client.flushall()
    client.force_login(administrator)
    before = everything()
    lists = [
        reverse(f"admin:jobs_{model._meta.model_name}_changelist")
        for model in admin.site._registry
        if model._meta.app_label == "jobs"
    ]
    jobs = [reverse("admin:jobs_job_change", args=[job.pk]) for job in Job.objects.all()]
    for address in ("/", "/snapshot.json", "/healthz", "/metrics", "/admin/", *lists, *jobs):
        assert client.get(address).status_code == 200, address
    assert len(lists) > 5
    assert everything() == before
    assert redis_client.keys("rq:*") == []


# -- who may act --------------------------------------------------------------------------------------
@pytest.mark.usefixtures("stock_site")
def test_django_rq_lets_any_staff_act_and_notes_nothing(queue: Queue, redis_client: redis.Redis) -> None:
    queue.enqueue(plain.note, "nowhere", "job")
    request = stock_request("POST")
    request._dont_enforce_csrf_checks = True  # type: ignore[attr-defined]
    assert views.clear_queue(request, 0).status_code == 302
    assert queue.get_job_ids() == []
    assert not [key for key in redis_client.keys("*") if b"audit" in key or b"log" in key]


@pytest.mark.django_db
def test_staff_without_a_permission_can_do_nothing_and_their_try_is_noted(
    client: Client, redis_client: redis.Redis
) -> None:
    client.force_login(User.objects.create_user("clerk", password="clerk", is_staff=True))
    job = make_job("dead", task="tests.tasks.add", args=[1])
    before = Job.objects.filter(id=job.id).values().get()
    for verb in ("retry", "discard", "cancel"):
        answer = client.post(f"/admin/jobs/job/{job.id}/verb/{verb}/", {"confirmed": "yes", "reason": "because"})
        assert answer.status_code == 403
    assert Job.objects.filter(id=job.id).values().get() == before
    noted = AuditEntry.objects.filter(actor="clerk", result="refused").values_list("action", flat=True)
    assert sorted(noted) == ["cancel", "discard", "retry"]


# -- a scrape that poisons the next -------------------------------------------------------------------
POISONS = ["x", "rq_jobs", "queuehub_broker_up", "", "\x00", "é"]


@pytest.mark.usefixtures("stock_site")
def test_django_rq_s_metrics_stay_cut_after_one_selection(
    redis_client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stats_views, "registry", None)
    assert b"rq_jobs" in stats_views.prometheus_metrics(stock_request("GET")).content
    stats_views.prometheus_metrics(stock_request("GET", "/?name[]=x"))
    assert stats_views.prometheus_metrics(stock_request("GET")).content == b""


@pytest.mark.one_ledger
@pytest.mark.django_db(transaction=True)
def test_no_selection_cuts_the_next_scrape(client: Client, redis_client: redis.Redis) -> None:
    def families() -> set[bytes]:
        answer = client.get("/metrics")
        return {line.split()[2] for line in answer.content.splitlines() if line.startswith(b"# TYPE")}

    before = families()
    assert b"queuehub_broker_up" in before
    for poison in POISONS:
        assert client.get(f"/metrics?name[]={quote(poison)}").status_code in (200, 400)
        # a slow machine may leave the ledger's figures out of one scrape
        eventually(lambda: families() >= before)

"""Spans by OpenTelemetry's conventions for messaging, made by its own SDK."""

import json
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from jobs import lifecycle, traces
from jobs.conf import read
from jobs.errors import DuplicateJob
from jobs.integrations.opentelemetry import OpenTelemetryTracer
from jobs.log_context import JobFilter
from jobs.models import Attempt, Job
from jobs.testing import run_jobs
from tests.factories import make_job, make_worker
from tests.observability import tasks
from tests.support import Running

Spans = Callable[[], list[ReadableSpan]]
GIVEN = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture
def in_memory(settings: Any, db: None) -> None:
    settings.QUEUEHUB = {**settings.QUEUEHUB, "TRANSPORT": "jobs.transports.memory.MemoryTransport"}


@pytest.fixture
def provider() -> TracerProvider:
    return TracerProvider()


@pytest.fixture
def spans(in_memory: None, provider: TracerProvider) -> Iterator[Spans]:
    """Trace this process, and return the spans that have ended so far."""
    exporter = InMemorySpanExporter()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    traces.plug_in(OpenTelemetryTracer(provider))
    yield lambda: list(exporter.get_finished_spans())
    traces.plug_in(None)


def traceparent(span: Any) -> str:
    context = span.context
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"


def test_a_run_links_to_its_enqueue(spans: Spans) -> None:
    job = tasks.log_nothing.using(queue_name="mail").enqueue()
    (done,) = run_jobs()
    send, process = spans()
    assert (send.name, send.kind, send.parent) == ("send mail", SpanKind.PRODUCER, None)
    assert dict(send.attributes or {}) == {
        "messaging.system": "queuehub", "messaging.operation.name": "send", "messaging.operation.type": "send",
        "messaging.destination.name": "mail", "messaging.message.id": job.id,
        "queuehub.task": "tests.observability.tasks.log_nothing",
    }  # fmt: skip
    assert (process.name, process.kind, process.parent) == ("process mail", SpanKind.CONSUMER, None)
    attempt = Attempt.objects.get(job=done)
    assert dict(process.attributes or {}) == {
        "messaging.system": "queuehub", "messaging.operation.name": "process", "messaging.operation.type": "process",
        "messaging.destination.name": "mail", "messaging.message.id": job.id, "messaging.client.id": attempt.worker,
        "queuehub.task": "tests.observability.tasks.log_nothing", "queuehub.attempt": 1,
        "queuehub.outcome": "success",
    }  # fmt: skip
    assert [link.context.span_id for link in process.links] == [send.context.span_id]
    assert process.context.trace_id != send.context.trace_id
    assert process.status.status_code is StatusCode.UNSET
    assert done.trace == traceparent(send)
    assert done.trace_id == f"{send.context.trace_id:032x}"


def test_a_batch_is_one_span_that_all_its_jobs_carry(spans: Spans) -> None:
    Job.objects.enqueue_many(tasks.log_nothing, [()] * 5)
    run_jobs()
    send, *processes = spans()
    assert (send.attributes or {})["messaging.batch.message_count"] == 5
    assert {job.trace for job in Job.objects.all()} == {traceparent(send)}
    assert [process.links[0].context.span_id for process in processes] == [send.context.span_id] * 5
    assert len({process.context.trace_id for process in processes}) == 5


def test_a_batch_over_several_queues_names_none(spans: Spans) -> None:
    names = ("mail", "default")
    Job.objects.bulk_create([Job(task="tests.observability.tasks.log_nothing", queue=name) for name in names])
    (send,) = spans()
    assert send.name == "send"
    assert "messaging.destination.name" not in (send.attributes or {})


def test_a_run_may_be_a_child_of_its_enqueue(spans: Spans, settings: Any) -> None:
    settings.QUEUEHUB = {**settings.QUEUEHUB, "TRACE_RUNS_IN_PARENT": True}
    tasks.log_nothing.enqueue()
    run_jobs()
    send, process = spans()
    assert process.parent is not None
    assert process.parent.span_id == send.context.span_id
    assert process.context.trace_id == send.context.trace_id
    assert len(process.links) == 1


def test_a_span_that_a_thread_was_left_with_is_nobody_s_parent(spans: Spans, provider: TracerProvider) -> None:
    tasks.log_nothing.enqueue()
    with provider.get_tracer("tests").start_as_current_span("left open"):
        run_jobs()
    (process,) = [span for span in spans() if span.name.startswith("process")]
    assert process.parent is None


def test_what_a_task_does_belongs_to_its_run(spans: Spans, caplog: pytest.LogCaptureFixture) -> None:
    caplog.handler.addFilter(JobFilter())
    with caplog.at_level(logging.INFO, "app"):
        tasks.enqueue_another.enqueue()
        run_jobs()
    outer_send, inner_send, outer, inner = spans()
    assert inner_send.parent is not None
    assert inner_send.parent.span_id == outer.context.span_id
    assert inner.links[0].context.span_id == inner_send.context.span_id
    (record,) = [record for record in caplog.records if record.name == "app"]
    assert vars(record)["trace_id"] == f"{outer.context.trace_id:032x}"
    assert outer.links[0].context.span_id == outer_send.context.span_id
    assert not trace.get_current_span().get_span_context().is_valid, "a span is left behind"


@pytest.mark.django_db(transaction=True)
def test_a_coroutine_has_its_span(spans: Spans) -> None:
    tasks.do_nothing_on_the_loop.enqueue()
    run_jobs()
    send, process = spans()
    assert process.links[0].context.span_id == send.context.span_id
    assert (process.attributes or {})["queuehub.outcome"] == "success"
    assert not trace.get_current_span().get_span_context().is_valid


def test_a_failure_is_told_without_its_secrets(spans: Spans) -> None:
    tasks.fail_with_a_secret.enqueue()
    run_jobs(max_jobs=1)
    _, process = spans()
    assert process.status.status_code is StatusCode.ERROR
    assert (process.attributes or {})["error.type"] == "ValueError"
    (event,) = process.events
    assert event.name == "exception"
    assert "fail_with_a_secret" in str((event.attributes or {})["exception.stacktrace"])
    assert "hunter2" not in process.to_json()


def test_a_context_that_the_caller_gives_stays(spans: Spans) -> None:
    job = Job(task="tests.observability.tasks.log_nothing", trace=GIVEN)
    job.save()
    run_jobs()
    send, process = spans()
    assert Job.objects.get().trace == GIVEN
    assert f"{send.links[0].context.span_id:016x}" == f"{process.links[0].context.span_id:016x}" == "b7ad6b7169203331"


def test_an_enqueue_that_is_refused_is_an_error(spans: Spans) -> None:
    first = tasks.log_nothing.enqueue()
    with pytest.raises(DuplicateJob):
        Job(id=first.id, task="tests.observability.tasks.log_nothing").save()
    assert spans()[-1].status.status_code is StatusCode.ERROR
    assert (spans()[-1].attributes or {})["error.type"] == "jobs.errors.DuplicateJob"


class Broken(SpanProcessor):
    """A processor that is defective."""

    def on_start(self, span: Any, parent_context: Any = None) -> None:
        raise RuntimeError("on_start")

    def on_end(self, span: Any) -> None:
        raise RuntimeError("on_end")


def test_a_processor_that_raises_harms_no_job(spans: Spans, provider: TracerProvider) -> None:
    provider.add_span_processor(Broken())
    tasks.log_nothing.enqueue()
    (done,) = run_jobs()
    assert done.state == "succeeded"


# -- settings and pages ------------------------------------------------------------------------------------------
def test_the_page_of_a_job_leads_to_its_trace(in_memory: None, viewing: Client, settings: Any) -> None:
    job = make_job(trace=GIVEN)
    assert "0af7651916cd43dd8448eb211c80319c" in viewing.get(f"/jobs/{job.pk}/").content.decode()
    settings.QUEUEHUB = {**settings.QUEUEHUB, "TRACE_URL": "https://traces.example.org/trace/{trace_id}?a=1&b=2"}
    page = viewing.get(f"/jobs/{job.pk}/").content.decode()
    address = "https://traces.example.org/trace/0af7651916cd43dd8448eb211c80319c?a=1&amp;b=2"
    assert f'<a href="{address}" rel="noreferrer">0af7651916cd43dd8448eb211c80319c</a>' in page
    other = make_job(trace="<b>mine</b>")
    assert "&lt;b&gt;mine&lt;/b&gt;" in viewing.get(f"/jobs/{other.pk}/").content.decode()


@pytest.mark.parametrize(
    "address",
    ["javascript:alert(1)//{trace_id}", "https://traces.example.org/", "https://x/{trace_id}{job}", "{trace_id}"],
)
def test_an_address_that_leads_to_no_trace_is_refused(address: str) -> None:
    with pytest.raises(ImproperlyConfigured, match="TRACE_URL"):
        read({"TRACE_URL": address})


# -- costs -------------------------------------------------------------------------------------------------------
def test_without_a_tracer_nothing_is_carried(in_memory: None) -> None:
    assert traces.tracer is None
    tasks.log_nothing.enqueue()
    (done,) = run_jobs()
    assert done.trace == ""
    assert done.trace_id == ""


@pytest.mark.django_db(transaction=True)
def test_a_claim_reads_the_traces_of_its_batch_at_once(spans: Spans) -> None:
    ids = [job.id for job in Job.objects.enqueue_many(tasks.log_nothing, [()] * 100)]
    make_worker()
    with CaptureQueriesContext(connection) as traced:
        runs = lifecycle.claim(ids[:50], worker="worker-1")
    traces.plug_in(None)
    with CaptureQueriesContext(connection) as plain:
        lifecycle.claim(ids[50:], worker="worker-1")
    assert len({run.trace for run in runs}) == 1
    assert len(traced) == len(plain) + 1


# -- real processes ----------------------------------------------------------------------------------------------
@pytest.mark.slow
@pytest.mark.one_ledger
def test_a_forked_worker_hands_over_its_last_spans(manage: Callable[..., Running], tmp_path: Path) -> None:
    jobs = Job.objects.enqueue_many(tasks.log_nothing, [()] * 20)
    Job.objects.enqueue(tasks.enqueue_another)
    file = tmp_path / "spans.json"
    environment = {
        "DJANGO_SETTINGS_MODULE": "tests.observability.traced_settings", "QUEUEHUB_TEST_SPANS": str(file),
    }  # fmt: skip
    assert manage("jobs_worker", "--processes", "1", "--burst", env=environment).wait(90) == 0
    found = [json.loads(line) for line in file.read_text().splitlines()]
    processed = [span["attributes"]["messaging.message.id"] for span in found if span["name"] == "process default"]
    assert len(processed) == 22
    assert {str(job.id) for job in jobs} <= set(processed)
    (sent,) = [span for span in found if span["name"] == "send default"]
    (linked,) = [span for span in found if span["links"]]
    assert linked["links"][0]["context"]["span_id"] == sent["context"]["span_id"]

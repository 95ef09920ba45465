"""OpenTelemetry: spans of enqueues and runs by its semantic conventions for messaging, with QUEUEHUB["OPEN_TELEMETRY"].

`send <queue>` surrounds the insert of a job or of a batch; `process <queue>` is one run. A run links to its enqueue,
and has a trace of its own unless QUEUEHUB["TRACE_RUNS_IN_PARENT"] makes it a child. Where spans go is up to the
application's tracer provider; only opentelemetry-api is needed here.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, ParamSpec, TypeVar

from django.core.checks import CheckMessage, Error
from django.core.checks import register as register_check

from jobs import traces
from jobs.conf import get_settings
from jobs.models import Job
from jobs.runs import Run
from jobs.states import Outcome
from jobs.tracebacks import class_of

try:
    from opentelemetry import context as otel_context
    from opentelemetry import trace
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
except ImportError:
    IS_INSTALLED = False
else:
    IS_INSTALLED = True

P = ParamSpec("P")
T = TypeVar("T")

logger = logging.getLogger("jobs.traces")

SYSTEM = "queuehub"
SCHEMA_URL = "https://opentelemetry.io/schemas/1.44.0"
FLUSH_MILLISECONDS = 2000
"""How long a process that ends waits for its last spans to go out."""


def plug_in() -> None:
    """Trace from now on if the settings ask for it."""
    register_check(_check)
    if get_settings().open_telemetry and IS_INSTALLED:
        traces.plug_in(OpenTelemetryTracer())


def _check(app_configs: Any, **_: Any) -> list[CheckMessage]:
    if not get_settings().open_telemetry or IS_INSTALLED:
        return []
    hint = 'Install "queuehub[opentelemetry]", or leave the setting out.'
    return [Error("QUEUEHUB['OPEN_TELEMETRY'] needs opentelemetry-api.", hint=hint, id="queuehub.E040")]


def _never_raising(method: Callable[P, T]) -> "Callable[P, T | None]":
    """Log what the processor of spans raises, and return None: it must not become the failure of a job."""

    def call(*args: P.args, **kwargs: P.kwargs) -> T | None:
        try:
            return method(*args, **kwargs)
        except Exception:
            logger.exception("a span is lost")
            return None

    return call


class OpenTelemetryTracer:
    """Spans through a tracer provider; by default the global one, which may be set after Django has started."""

    def __init__(self, provider: "trace.TracerProvider | None" = None) -> None:
        self._provider = provider
        self._tracer = trace.get_tracer("queuehub", tracer_provider=provider, schema_url=SCHEMA_URL)
        self._propagator = TraceContextTextMapPropagator()

    # -- enqueue -------------------------------------------------------------------------------------------------

    @contextmanager
    def send(self, jobs: Sequence[Job]) -> Iterator[None]:
        """Surround the insert of a batch with one span, whose context all its jobs carry.

        A job that carries a context already, given by the caller, keeps it; the span links there.
        """
        begun = self._begin_send(jobs)
        try:
            yield
        except Exception as error:
            self._end_send(begun, error)
            raise
        else:
            self._end_send(begun, None)

    @_never_raising
    def _begin_send(self, jobs: Sequence[Job]) -> "tuple[trace.Span, Any]":
        queues = {job.queue for job in jobs}
        queue = queues.pop() if len(queues) == 1 else ""
        single = _message(jobs[0]) if len(jobs) == 1 else {"messaging.batch.message_count": len(jobs)}
        given = dict.fromkeys(job.trace for job in jobs if job.trace)
        links = [link for traceparent in given for link in self._links(traceparent)]
        span = self._tracer.start_span(
            f"send {queue}".rstrip(), None, trace.SpanKind.PRODUCER, _attributes("send", queue) | single, links
        )
        present = trace.set_span_in_context(span)
        traceparent = self._traceparent(present)
        for job in jobs:
            job.trace = job.trace or traceparent
        return span, otel_context.attach(present)

    @_never_raising
    def _end_send(self, begun: "tuple[trace.Span, Any] | None", error: Exception | None) -> None:
        if begun is None:
            return
        span, token = begun
        otel_context.detach(token)
        if error is not None:
            _mark_failed(span, class_of(error))
        span.end()

    # -- run -----------------------------------------------------------------------------------------------------

    @_never_raising
    def begin(self, run: Run) -> None:
        """Begin the span of a run and make it the present one."""
        links = self._links(run.trace)
        parent = otel_context.Context()  # not what this thread was left with
        if links and get_settings().trace_runs_in_parent:
            parent = trace.set_span_in_context(trace.NonRecordingSpan(links[0].context), parent)
        attributes = _attributes("process", run.queue) | {
            "messaging.message.id": str(run.job_id),
            "messaging.client.id": run.worker,
            "queuehub.task": run.task,
            "queuehub.attempt": run.number,
        }
        span = self._tracer.start_span(
            f"process {run.queue}", parent, trace.SpanKind.CONSUMER, attributes, links
        )
        present = trace.set_span_in_context(span, parent)
        run.trace = self._traceparent(present)
        run.span = span, otel_context.attach(present)

    @_never_raising
    def end(self, run: Run) -> None:
        """End the span of a run with its outcome; an error's text and traceback are those of the ledger."""
        if run.span is None:
            return
        (span, token), run.span = run.span, None
        otel_context.detach(token)
        span.set_attribute("queuehub.outcome", str(run.outcome))
        if run.outcome in (Outcome.ERROR, Outcome.TIMEOUT):
            _mark_failed(span, run.exception_class, run.message)
            exception = {"type": run.exception_class, "message": run.message, "stacktrace": run.traceback}
            span.add_event("exception", {f"exception.{name}": value for name, value in exception.items()})
        span.end()

    @_never_raising
    def flush(self) -> None:
        """Hand spans over to their exporter: a worker's process ends without Python's own tidying up."""
        force_flush = getattr(self._provider or trace.get_tracer_provider(), "force_flush", None)
        if force_flush is not None:
            force_flush(FLUSH_MILLISECONDS)

    def _traceparent(self, present: "otel_context.Context") -> str:
        carrier: dict[str, str] = {}
        self._propagator.inject(carrier, present)
        return carrier.get("traceparent", "")

    def _links(self, traceparent: str) -> "list[trace.Link]":
        carried = self._propagator.extract({"traceparent": traceparent}, otel_context.Context())
        found = trace.get_current_span(carried).get_span_context()
        return [trace.Link(found)] if found.is_valid else []


def _attributes(operation: str, queue: str) -> dict[str, Any]:
    attributes = {
        "messaging.system": SYSTEM,
        "messaging.operation.name": operation,
        "messaging.operation.type": operation,
    }
    return attributes | {"messaging.destination.name": queue} if queue else attributes


def _message(job: Job) -> dict[str, Any]:
    attributes = {"messaging.message.id": str(job.id), "queuehub.task": job.task}
    return attributes | {"messaging.message.conversation_id": job.correlation_id} if job.correlation_id else attributes


def _mark_failed(span: "trace.Span", kind: str, message: str = "") -> None:
    span.set_attribute("error.type", kind)
    span.set_status(trace.Status(trace.StatusCode.ERROR, message or None))

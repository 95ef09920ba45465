"""What the pictures of jobs and operations show beside the sample: a job with a story, and operations in each state."""

from datetime import timedelta
from uuid import UUID

from django.utils import timezone

from jobs import operations
from jobs.models import Attempt, AuditEntry, Failure, Job, Operation, Statistic, Worker
from jobs.models.operation import OperationState
from tests.factories import WORKER as SPARE
from tests.factories import make_job

TASK = "demo.tasks.call_partner"
WORKER = "web-1-01"
ATTEMPTS = 5
"""Of the job with a story."""
TRACEBACK = """Traceback (most recent call last):
  File "/srv/shop/demo/tasks.py", line 58, in call_partner
    receipt = partner.charge(order.total, idempotency_key=str(order.pk))
  File "/srv/shop/demo/partner.py", line 21, in charge
    answer = self.session.post(self.url, json=payload, timeout=30)
  File "/srv/venv/lib/python3.12/site-packages/requests/sessions.py", line 637, in post
    return self.request("POST", url, data=data, json=json, **kwargs)
  File "/srv/venv/lib/python3.12/site-packages/requests/sessions.py", line 589, in request
    resp = self.send(prep, **send_kwargs)
  File "/srv/venv/lib/python3.12/site-packages/requests/adapters.py", line 713, in send
    raise ReadTimeout(e, request=request)
requests.exceptions.ReadTimeout: HTTPSConnectionPool(host='pay.example', port=443): Read timed out. (read timeout=30)
"""
SAID = {"exception_class": "ConnectionResetError", "message": "partner pay.example closed the connection"}
LOG = """     0.004  order 20417: 3 items, 118.40 EUR
     0.011  asking pay.example for a charge
    30.018  no answer, giving up"""


def story() -> Job:
    """Return a dead letter that used up its attempts, and again those of somebody's retry; its worker was lost once."""
    job = make_job("dead", task=TASK, args=[20417], queue="sample-webhooks")
    _tell([job.pk])
    first = Attempt.objects.get(job=job)
    now = timezone.now()
    Attempt.objects.filter(pk=first.pk).delete()
    ends = [(64, "error"), (61, "lost"), (52, "error"), (3.6, "error"), (2.9, "error")]
    for number, (minutes, outcome) in enumerate(ends, start=1):
        is_error = outcome == "error"
        begun_at = now - timedelta(minutes=minutes)
        Attempt.objects.create(
            job=job, number=number, outcome=outcome, claim=number, worker=WORKER, host="web-1", pid=4711,
            queue=job.queue, started_at=begun_at, finished_at=begun_at + timedelta(seconds=30.02 if is_error else 9),
            exception_class="requests.exceptions.ReadTimeout" if is_error else "",
            message="HTTPSConnectionPool(host='pay.example', port=443): Read timed out." if is_error else "",
            traceback=TRACEBACK if is_error else "", log=LOG if is_error else None, fingerprint=first.fingerprint,
        )  # fmt: skip
    retried_at = now - timedelta(minutes=4)
    AuditEntry.objects.create(
        at=retried_at, actor="ben", action="retry", target=f"job {job.pk}", reason="the provider says it is back",
        before={"state": "dead", "failure_count": 2}, after={"state": "queued", "failure_count": 0},
    )  # fmt: skip
    Job.objects.filter(pk=job.pk).update(
        attempt=ATTEMPTS, failure_count=2, max_attempts=2, due_at=retried_at, finished_at=now - timedelta(minutes=2.4),
        created_at=now - timedelta(minutes=65), reason="all attempts are used up", worker=WORKER,
    )  # fmt: skip
    return job


def bulk() -> None:
    """Make a preview, a running operation, and one that is over and left some jobs alone."""
    dead = [make_job("dead", task=TASK, args=[number], queue="sample-webhooks") for number in range(640)]
    others = [make_job("succeeded", task=TASK, args=[number], queue="sample-webhooks") for number in range(12)]
    ids = [job.pk for job in dead]
    _tell(ids)
    for age, job in enumerate(reversed([*dead, *others])):
        at = timezone.now() - timedelta(minutes=68, seconds=9 * age)
        Job.objects.filter(pk=job.pk).update(created_at=at, finished_at=at + timedelta(seconds=2), worker=WORKER)
        Attempt.objects.filter(job=job).update(
            worker=WORKER, host="web-1", started_at=at, finished_at=at + timedelta(seconds=2)
        )
        Failure.objects.filter(job_id=job.pk).update(failed_at=at + timedelta(seconds=2))
    over = operations.preview("retry", actor="ann", ids=[*ids[:88], *(job.pk for job in others)])
    operations.finish_now(operations.start(over, actor="ann", reason="the provider is back"))
    running = operations.start(operations.preview("retry", actor="ben", ids=ids[88:]), actor="ben", per_second=20)
    Operation.objects.filter(pk=running.pk).update(next_at=timezone.now() - timedelta(seconds=1))
    operations.advance(limit=20)
    Operation.objects.filter(pk=running.pk).update(changed_count=214, next_at=timezone.now() + timedelta(hours=1))
    operations.preview("discard", actor="ann", filter="state:dead,succeeded task:demo.tasks.call_partner created:>-6h")


def forget_the_making() -> None:
    """Delete what the making of these jobs left: the chart shows the site's traffic and workers."""
    Worker.objects.filter(pk=SPARE).delete()
    Statistic.objects.filter(task=TASK).delete()


def _tell(job_ids: list[UUID]) -> None:
    """Say of jobs that were made dead what failed in their place."""
    Attempt.objects.filter(job_id__in=job_ids).update(**SAID)
    Failure.objects.filter(job_id__in=job_ids).update(**SAID, frame="demo/partner.py: charge")


def addresses() -> dict[str, str]:
    """Return the addresses of the operations by the pictures' names."""
    rows = Operation.objects.filter(state__in=sorted(OperationState)).order_by("id")
    return {f"operation-{operation.state}": f"/operations/{operation.pk}/" for operation in rows}

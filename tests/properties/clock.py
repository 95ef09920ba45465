"""Time that passes for the ledger at once: all of its moments move into the past."""

from datetime import timedelta
from uuid import UUID

from django.db.models import F
from django.utils import timezone

from jobs.models import Job
from tests.properties.model import TICK_SECONDS

TICK = timedelta(seconds=TICK_SECONDS)
STALE_SECONDS = 300.0
"""What is younger belongs to this tick, as slow as the machine may be."""

MOMENTS = ("created_at", "due_at", "published_at", "claimed_at", "finished_at", "expires_at")
LOSS_DELAYS_SECONDS = {2: 1, 3: 4, 4: 16}
"""How long a job waits after so many losses; after the first not at all, after more than four a minute."""


def let_pass(ticks: int) -> None:
    """Let so many ticks pass."""
    by = ticks * TICK
    Job.objects.update(**{name: F(name) - by for name in MOMENTS})


def wait_a_tick_after_loss(job_id: UUID) -> None:
    """Check how long a lost job waits, and let it wait a tick: the model counts no seconds."""
    job = Job.objects.get(id=job_id)
    delay = timedelta(seconds=LOSS_DELAYS_SECONDS.get(job.loss_count, 60))
    waits = job.due_at - timezone.now()
    assert delay - timedelta(seconds=60) < waits <= delay + timedelta(seconds=1), (job.loss_count, waits)
    Job.objects.filter(id=job_id).update(due_at=F("due_at") + TICK - delay)

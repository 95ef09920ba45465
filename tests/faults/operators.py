"""What operators do, as processes: `python -m tests.faults.operators race SEED|retry-all|cancel-scheduled`."""

import random
import signal
import sys
from types import FrameType

import django
from django.db import DatabaseError, connection

django.setup()

from jobs.lifecycle import operate  # noqa: E402
from jobs.models import Job  # noqa: E402

ACTOR = "operator"
AT_ONCE = 20


def race(seed: int) -> None:
    """Cancel, retry, edit and discard random jobs until SIGTERM."""
    source, is_stopped = random.Random(seed), False

    def stop(number: int, frame: FrameType | None) -> None:
        nonlocal is_stopped
        is_stopped = True

    signal.signal(signal.SIGTERM, stop)
    while not is_stopped:
        jobs = list(Job.objects.filter(task__endswith=".contested").order_by("?")[:AT_ONCE].values_list("id", "args"))
        ids = [job_id for job_id, _ in jobs]
        try:
            match source.randrange(4):
                case 0:
                    operate.cancel(ids, actor=ACTOR)
                case 1:
                    operate.discard(ids, actor=ACTOR)
                case 2:
                    operate.revive(ids, actor=ACTOR, reason="again")
                case 3:
                    for job_id, args in jobs[:3]:
                        operate.revive([job_id], actor=ACTOR, args=[*args[:2], source.random() / 50])
        except DatabaseError as error:
            sys.stdout.write(f"{error}\n")
            connection.close()


def retry_all() -> None:
    """Retry every dead letter that never ran, with one call."""
    sys.stdout.write(f"{operate.revive(Job.objects.dead().filter(attempt=0), actor=ACTOR, reason='all of them')}\n")


def cancel_scheduled() -> None:
    """Cancel every job that waits for its time, with one call."""
    sys.stdout.write(f"{operate.cancel(Job.objects.scheduled(), actor=ACTOR)}\n")


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["race", seed]:
            race(int(seed))
        case ["retry-all"]:
            retry_all()
        case ["cancel-scheduled"]:
            cancel_scheduled()
        case _:
            sys.exit(__doc__)

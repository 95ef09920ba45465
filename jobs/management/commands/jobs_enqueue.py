"""`manage.py jobs_enqueue`: enqueue one job."""

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError
from django.utils import timezone

from jobs.definition import resolve
from jobs.errors import UnknownTask
from jobs.filters.known import tasks_like
from jobs.lifecycle import operate
from jobs.management.operator import USAGE, OperatorCommand, duration
from jobs.models import Job

OPTIONS = {"queue": "queue", "priority": "priority", "max_attempts": "max_attempts", "timeout": "timeout_seconds"}


class Command(OperatorCommand):
    """Enqueue a job from the shell; prints its id."""

    help = "Enqueue one job, with the checks of any enqueue; prints its id."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("task", metavar="TASK", help="its whole name, as in shop.tasks.add")
        parser.add_argument("--args", dest="positional", default="[]", metavar="JSON", help="a list: '[1, 2]'")
        parser.add_argument("--kwargs", dest="keywords", default="{}", metavar="JSON", help="""'{"user": 7}'""")
        parser.add_argument("--queue", help="the task's own if left out")
        parser.add_argument("--priority", type=int, help="-100 to 100, higher first; the task's own if left out")
        parser.add_argument("--in", dest="delay", type=duration, metavar="10m", help="run it later")
        parser.add_argument("--unique-key", help="at most one unfinished job has it")
        parser.add_argument("--max-attempts", type=int)
        parser.add_argument("--timeout", type=int, metavar="SECONDS", help="0: none")
        parser.add_argument("--tag", action="append", default=[], dest="tags", help="may be given several times")
        super().add_arguments(parser)

    def act(self, **options: Any) -> None:
        operate.permit(options["actor"], "jobs.edit_job", "enqueue")
        try:
            task = resolve(options["task"])
        except UnknownTask as error:
            names = [name for name in tasks_like(options["task"]) if name != options["task"]]
            meant = f" Did you mean {' or '.join(names[:3])}?" if names else ""
            raise CommandError(f"{error}{meant}", returncode=USAGE) from None
        job = Job(
            task=task.module_path,
            args=_json("--args", options["positional"], list),
            kwargs=_json("--kwargs", options["keywords"], dict),
            tags=options["tags"],
            unique_key=options["unique_key"],
            enqueued_by=operate.actor_name(options["actor"])[:128],
            **({"due_at": timezone.now() + options["delay"]} if options["delay"] else {}),
        )
        job.queue, job.priority = task.queue_name, task.priority
        for option, column in OPTIONS.items():
            if options[option] is not None:
                setattr(job, column, options[option])
        made = Job.objects.bulk_create([job])[0]
        if made.is_duplicate:
            self.stderr.write(f"An unfinished job has this unique key: {made.pk}")
        self.say(str(made.pk))


def _json(option: str, text: str, kind: type) -> Any:
    try:
        value = json.loads(text)
    except ValueError as error:
        problem = f"{option}: this is not JSON: {error}. Put it in single quotes for the shell."
        raise CommandError(problem, returncode=USAGE) from None
    except RecursionError:
        raise CommandError(f"{option}: this is nested too deeply.", returncode=USAGE) from None
    if not isinstance(value, kind):
        wanted = "a list, as in '[1, 2]'" if kind is list else """an object, as in '{"user": 7}'"""
        raise CommandError(f"{option}: give {wanted}.", returncode=USAGE)
    return value

"""`manage.py jobs_resume`: let workers take from queues again."""

from typing import Any

from jobs.lifecycle import operate
from jobs.management.operator import NOTHING
from jobs.management.queues import QueueCommand


class Command(QueueCommand):
    """Resume queues."""

    help = "Let workers take jobs from these queues again."

    def act(self, **options: Any) -> int | None:
        code = None
        for name, hint in self.each(options["queues"]):
            is_done = operate.resume_queue(name, actor=options["actor"], reason=options["reason"])
            self.say(f"Queue {name} {'is resumed' if is_done else 'was not paused'}.")
            if hint:
                self.tell(hint)
                code = NOTHING
        return code

"""`manage.py jobs_pause`: let no worker take from queues."""

from typing import Any

from jobs.lifecycle import operate
from jobs.management.queues import QueueCommand


class Command(QueueCommand):
    """Pause queues."""

    help = "Let no worker take jobs from these queues until jobs_resume. What runs goes on; new jobs are accepted."

    def act(self, **options: Any) -> None:
        for name, hint in self.each(options["queues"]):
            is_done = operate.pause_queue(name, actor=options["actor"], reason=options["reason"])
            self.say(f"Queue {name} {'is paused' if is_done else 'was paused already'}.")
            if hint and is_done:
                undo = f" Then: manage.py jobs_resume {name}" if hint.endswith("?") else ""
                self.tell(f"{hint}{undo}")

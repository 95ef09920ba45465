"""The pages in the order of the bar, as data: who may open each, and by which key."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Page:
    """One entry of the bar."""

    name: str
    label: str
    url_name: str
    key: str
    """Opens the page after `g`."""
    permission: str
    word: str = ""
    """The name in a snapshot's words of the count beside the label."""
    counted: str = ""
    """What that count counts."""
    is_alarming: bool = False
    """A count other than 0 calls for somebody."""

    def is_open_to(self, user: Any) -> bool:
        """Say whether the user may open the page."""
        if not user.has_perm(self.permission):
            return False
        return bool(user.is_staff) or not self.url_name.startswith("admin:")


PAGES = (
    Page("overview", "Overview", "dashboards:overview", "o", "jobs.view_job"),
    Page("jobs", "Jobs", "dashboards:jobs", "j", "jobs.view_job", "nav-jobs", "unfinished jobs"),
    Page("queues", "Queues", "dashboards:queues", "q", "jobs.view_queue"),
    Page(
        "failures", "Failures", "dashboards:failures", "f", "jobs.view_failuregroup",
        "nav-failures", "dead letters", is_alarming=True,
    ),
    Page("workers", "Workers", "dashboards:workers", "w", "jobs.view_worker"),
    Page("schedules", "Schedules", "dashboards:schedules", "s", "jobs.view_schedule"),
    Page("tasks", "Tasks", "dashboards:tasks", "t", "jobs.view_job"),
    Page("operations", "Operations", "dashboards:operations", "p", "jobs.view_operation"),
)  # fmt: skip

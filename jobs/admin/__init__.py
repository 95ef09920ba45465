"""The engine in Django's own admin: found and read here, changed only by the verbs of `lifecycle`.

Every page is read-only. What an operator does is a verb (`verbs.py`), asked for once more with its reason
(`confirmation.py`). Templates and CSS are our own files on top of the admin's; none of its own is replaced.
"""

from jobs.admin import rq_pages
from jobs.admin.attempt import AttemptAdmin
from jobs.admin.audit import AuditEntryAdmin
from jobs.admin.dead_letter import DeadLetterAdmin
from jobs.admin.failure_group import FailureGroupAdmin
from jobs.admin.job import JobAdmin
from jobs.admin.operation import OperationAdmin
from jobs.admin.queue import QueueAdmin
from jobs.admin.schedule import ScheduleAdmin
from jobs.admin.worker import WorkerAdmin

__all__ = [
    "AttemptAdmin",
    "AuditEntryAdmin",
    "DeadLetterAdmin",
    "FailureGroupAdmin",
    "JobAdmin",
    "OperationAdmin",
    "QueueAdmin",
    "ScheduleAdmin",
    "WorkerAdmin",
    "rq_pages",
]

"""The ledger's tables."""

from jobs.models.attempt import Attempt
from jobs.models.audit import AuditEntry
from jobs.models.dead_letter import DeadLetter
from jobs.models.failure import Failure, FailureGroup
from jobs.models.job import Job
from jobs.models.notice import Notice
from jobs.models.operation import Operation, OperationResult
from jobs.models.queue import Queue
from jobs.models.schedule import Schedule, ScheduleRun
from jobs.models.scheduler import SchedulerLease
from jobs.models.statistic import Statistic
from jobs.models.worker import Worker

__all__ = [
    "Attempt",
    "AuditEntry",
    "DeadLetter",
    "Failure",
    "FailureGroup",
    "Job",
    "Notice",
    "Operation",
    "OperationResult",
    "Queue",
    "Schedule",
    "ScheduleRun",
    "SchedulerLease",
    "Statistic",
    "Worker",
]

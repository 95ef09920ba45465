"""Telling people and programs of failures: a signal for programs, a webhook and mail for people.

All of it is led by the scheduler, from what failed attempts leave in the ledger; workers know nothing of it.
"""

from jobs.notifications.hook import FailedJob, jobs_failed

__all__ = ["FailedJob", "jobs_failed"]

"""Counts files whose jobs ended without success, as soon as the ledger says so."""

from demo.packages import count_ended_files, count_file
from demo.tasks import analyse_file
from jobs.events import JobsOperated, JobsSettled, subscribe
from jobs.states import FINAL, JobState


def listen() -> None:
    """Subscribe to the engine's events."""
    subscribe(JobsSettled, count_failures)
    subscribe(JobsOperated, count_operated)


def count_failures(event: JobsSettled) -> None:
    """Tick off the files whose jobs died or were cancelled; those that succeeded did it themselves."""
    for change in event.changes:
        if change.task == analyse_file.module_path and change.state in FINAL - {JobState.SUCCEEDED}:
            count_file(change.job_id)


def count_operated(event: JobsOperated) -> None:
    """Tick off the files whose jobs an operator ended."""
    if event.job_ids:
        count_ended_files()

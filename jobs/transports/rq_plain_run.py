"""One allowed plain RQ job: its call, and RQ's books about it."""

import asyncio
import inspect
import logging
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from redis.exceptions import RedisError
from rq.defaults import DEFAULT_RESULT_TTL
from rq.executions import Execution
from rq.job import JobStatus
from rq.job_lifecycle import record_job_failure
from rq.queue import Queue
from rq.registry import FinishedJobRegistry
from rq.results import Result
from rq.timeouts import JobTimeoutException

from jobs.soft_limit import soft_limit

logger = logging.getLogger("jobs.transports.rq")

UNLIMITED_SECONDS = 86400
"""How long a job without a time limit may count as started."""


@dataclass(frozen=True, slots=True)
class PlainRun:
    """A job that passed every check and stands in RQ's started registry."""

    job: Any
    function: Callable[..., Any]
    args: Sequence[Any]
    kwargs: Mapping[str, Any]
    execution: Any
    worker_name: str

    @classmethod
    def enter(
        cls,
        job: Any,
        function: Callable[..., Any],
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
        worker: str,
    ) -> "PlainRun":
        """Enter the job as started, so that it can be found if this worker dies."""
        limit = job.timeout if job.timeout and job.timeout > 0 else UNLIMITED_SECONDS
        pipe = job.connection.pipeline()
        execution = Execution.create(job, limit + 60, pipeline=pipe, worker_name=worker)
        job.prepare_for_execution(worker, pipe)
        pipe.persist(job.key)
        pipe.execute()
        return cls(job, function, args, kwargs, execution, worker)

    def run(self) -> None:
        """Call the function and write RQ's books about it; never raises.

        RQ's own time limit holds in the main thread only.
        """
        seconds = self.job.timeout or 0
        try:
            try:
                with soft_limit(seconds, JobTimeoutException(f"the job took longer than {seconds} s")):
                    value = self.function(*self.args, **self.kwargs)
                    if inspect.iscoroutine(value):
                        value = asyncio.run(value)
            except BaseException:  # also SystemExit of the function, and the worker's interruption
                self._fail(traceback.format_exc())
            else:
                self._finish(value)
        except (RedisError, OSError):
            logger.exception("the plain RQ job %s has run, but Redis could not be told", self.job.id)
        except Exception:
            logger.exception("the plain RQ job %s has run, but RQ's books refused it", self.job.id)

    def hand_back(self) -> None:
        """Undo `enter`: the job waits again. Its id must be pushed by the caller."""
        pipe = self.job.connection.pipeline()
        self.execution.delete(self.job, pipe)
        self.job.set_status(JobStatus.QUEUED, pipeline=pipe)
        pipe.execute()

    def _finish(self, value: Any) -> None:
        job, pipe = self.job, self.job.connection.pipeline()
        lifetime_seconds = job.get_result_ttl(DEFAULT_RESULT_TTL)
        self._end(pipe)
        if lifetime_seconds != 0:
            job.set_status(JobStatus.FINISHED, pipeline=pipe)
            job.save(pipeline=pipe, include_meta=False, include_result=False)
            Result.create(
                job,
                Result.Type.SUCCESSFUL,
                lifetime_seconds,
                return_value=value,
                pipeline=pipe,
                **self._times(),
            )
            FinishedJobRegistry(job.origin, job.connection).add(job, lifetime_seconds, pipe)
        job.cleanup(lifetime_seconds, pipeline=pipe, remove_from_queue=False)
        pipe.execute()
        self._release_dependents()

    def _fail(self, text: str) -> None:
        logger.warning("the plain RQ job %s failed: %s", self.job.id, text.rstrip().rpartition("\n")[2])
        pipe = self.job.connection.pipeline()
        self._end(pipe)
        record_job_failure(self.job, text, pipe)
        pipe.execute()
        self._release_dependents()

    def _end(self, pipe: Any) -> None:
        self.job.ended_at = datetime.now(UTC)
        self.execution.delete(self.job, pipe)

    def _times(self) -> dict[str, Any]:
        return {
            "worker_name": self.worker_name,
            "execution_id": self.execution.id,
            "execution_started_at": self.execution.created_at,
            "execution_ended_at": self.job.ended_at,
        }

    def _release_dependents(self) -> None:
        """Let RQ move the jobs that wait for this one to their queues; there they are judged in turn."""
        queue = Queue(self.job.origin, connection=self.job.connection, serializer=self.job.serializer)
        queue.enqueue_dependents(self.job)

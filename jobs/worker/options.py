"""What a pool is asked to do."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerOptions:
    """The options of `jobs_worker`."""

    queues: tuple[str, ...] = ()
    """Queues to serve, the first first; empty means all."""

    process_count: int = 1
    thread_count: int = 1
    """Slots for synchronous tasks per process; the first is the main thread."""

    coroutine_count: int = 100
    """Slots for asynchronous tasks per process, on one event loop."""

    is_burst: bool = False
    """End when the ledger has no due job in the queues."""

    max_jobs: int = 0
    """Runs after which a process is replaced; 0 means never."""

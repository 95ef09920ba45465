"""What a heartbeat tells of a worker process."""

import json
import os
import time
from pathlib import Path

from jobs.worker.board import Board

_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


def runs_text(board: Board) -> str:
    """Return what runs, as JSON: [{"job": id, "seconds": float}]."""
    now = time.monotonic()
    return json.dumps(
        [
            {"job": str(entry.job_id), "seconds": round(now - entry.started_seconds, 1)}
            for entry in board.running()
        ]
    )


def memory_bytes(pid: int) -> int:
    """Return the resident memory of a process; 0 where it cannot be told."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE_BYTES
    except (OSError, IndexError):
        return 0

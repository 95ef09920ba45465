"""A steady load: `python -m tests.security.least.load FILE` enqueues some 50 jobs a second until SIGTERM.

It appends the id of each job to the file once the enqueue has returned.
"""

import os
import signal
import sys
import threading

import django
from django.apps import apps

if not apps.ready:
    django.setup()

from tests.security.least.tasks import nothing


def main(path: str) -> None:
    """Enqueue until told to stop."""
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    while not stop.wait(0.02):
        os.write(file, f"{nothing.enqueue().id}\n".encode())


if __name__ == "__main__":
    main(sys.argv[1])

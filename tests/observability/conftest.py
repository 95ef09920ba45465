"""The tasks of these tests, known in this process."""

from jobs.definition import registry
from tests.engine import tasks as engine_tasks
from tests.observability import tasks

registry.register_module(engine_tasks)
registry.register_module(tasks)

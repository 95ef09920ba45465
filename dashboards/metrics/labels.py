"""The labels of tasks: names of registered tasks, so that no row of the ledger can open time series without limit."""

from jobs.definition import registry as tasks

TASK_LABEL_LIMIT = 500
OTHER = "__other__"
"""The label of tasks over the limit and of names that no code registers."""


def task_labels() -> dict[str, str]:
    """Map registered tasks to their labels, former names of a task to its present one; every other name is OTHER."""
    labelled = sorted(tasks, key=lambda task: task.module_path)[:TASK_LABEL_LIMIT]
    return {name: task.module_path for task in labelled for name in (*task.aliases, task.module_path)}

"""Writes docs/permissions.md from the matrix that the tests try: `python docs/generate_permissions.py`."""

import os
import sys
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
PAGE = PROJECT / "docs" / "permissions.md"

HEAD = """# Permissions

Each verb checks its permission itself, by whatever way it is reached, and writes an audit row: who, when, what, why,
before and after; a refusal, too. The three groups come with the migrations; afterwards they are yours to change.

| verb | needs | viewer | operator | administrator | ways |
|---|---|---|---|---|---|
"""
TAIL = """
Ways: **code** is the function that a program calls with a user as `actor`; **dashboard** the forms of the pages;
**admin** the buttons and the actions of lists in Django's admin; **bulk** an operation on many jobs, previewed and
started by the dashboard's forms; **command** `manage.py jobs_…` with `--actor` naming a user of the site. Without
`--actor`, or with a name that no user has, a command acts for whoever may run `manage.py`, who may do everything.

What may be seen:

| permission | viewer | operator | administrator | opens |
|---|---|---|---|---|
"""
SEEN = {
    "view_job": "jobs, attempts with tracebacks and logs, failures, tasks",
    "view_payload": "arguments, results and progress unmasked, and filters on them",
    "view_queue": "queues",
    "view_worker": "workers",
    "view_schedule": "schedules",
    "view_operation": "bulk operations",
    "view_auditentry": "the operators' log",
    "export_job": "lists of jobs as files",
}
END = """
`pytest -m matrix` tries every verb as every role by every way, as staff without a group as well. This page is made by
`python docs/generate_permissions.py` from what those tests try; do not edit it.
"""


def page() -> str:
    """Return the text of docs/permissions.md; Django must be set up."""
    from jobs.groups import GROUPS  # neither can be imported before Django is set up
    from tests.permissions.cases import CASES

    def marks(*needed: str) -> str:
        return " | ".join("yes" if set(needed) <= set(given) else "no" for given in GROUPS.values())

    verbs = [
        f"| {case.name} | {', '.join(f'`{name}`' for name in case.permissions)} | {marks(*case.permissions)} |"
        f" {', '.join(case.ways)} |"
        for case in CASES
    ]
    seen = [f"| `{name}` | {marks(name)} | {what} |" for name, what in SEEN.items()]
    return HEAD + "\n".join(verbs) + "\n" + TAIL + "\n".join(seen) + "\n" + END


if __name__ == "__main__":
    sys.path.insert(0, str(PROJECT))
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    import django

    django.setup()
    PAGE.write_text(page(), encoding="utf-8")

"""Writes docs/filters.md from the table in jobs/filters/fields.py: `python docs/generate_filters.py`."""

import os
import sys
from pathlib import Path

import django

PROJECT = Path(__file__).resolve().parent.parent
PAGE = PROJECT / "docs" / "filters.md"

HEAD = """# Filters

One line of text says which jobs are meant: in the box above the lists of jobs, here and in the admin, in an address
(`?q=`), and behind `--filter` of the [commands](commands.md).

```text
state:dead queue:mail,bulk -task:rollup created:>-2h error:Timeout
```

- Terms are separated by spaces, and all of them must hold.
- Of several values, separated by commas, one must hold.
- A minus in front turns a term round: `-queue:mail` is every other queue.
- A value in quotes may hold anything: `error:"502 Bad Gateway"`. In it, `\\"` is a quote and `\\\\` a backslash.
- A word without a field means a task whose name has it, a job whose id begins so, or the unfinished job that holds it
  as its unique key.
- At most 2,048 characters, 40 terms, and 100 values in a term.

| field | means | compares | examples | an index serves it | needs |
|---|---|---|---|---|---|
"""
TAIL = """
Upper and lower case count the same in names of tasks, queues with a `*` and workers, and in texts of errors; elsewhere
they differ. `args.0:42` finds the number 42 as well as the text "42". Times are those of the ledger's clock; days, and
times without a zone, are those of the site's `TIME_ZONE`.

## What a search looks at

A search answers within a second. Terms that no index serves look at the newest 50,000 jobs that match all other terms,
and the page says so; a search that takes long all the same looks at fewer and says that, too. Add a state, a task or a
time to reach further back. Counts stop at 10,000 and are shown as "10,000+".

Work on *all that match*, from a page or by a command, finds every job, however old: it has no such bounds. Its preview
says how many there are. Times that are counted from now, such as `created:>-2h`, are written out when the work is
previewed, so that it means the same hours later.

`created:` reads the time from the id as well, because ids of jobs begin with it. A job whose id you made yourself is
found by it if the id is a UUIDv7.

## Messages

| message | do |
|---|---|
| There is no field stat. Did you mean state? | use a field of the table; put a text that has a colon in quotes |
| state: has no value here. | write a value behind the colon, without a space |
| The quotes are not closed. | add the second `"` |
| 2h is not a time. For 2h ago write -2h. | times in the past begin with a minus |
| args needs the permission to view payloads | ask for `jobs.view_payload`: who sees no arguments cannot search them |
| No index serves args.0:42: only the newest 50,000 … were searched. | add `state:`, `task:` or `created:` |

This page is made by `python docs/generate_filters.py` from `jobs/filters/fields.py`; do not edit it.
"""


def page() -> str:
    """Return the text of docs/filters.md; Django must be set up."""
    from jobs.filters import FIELDS  # models cannot be imported before Django is set up

    rows = []
    for field in FIELDS.values():
        name = f"{field.name}.…" if field.has_path else f"{field.name}:"
        compares = " ".join(operator for operator in field.operators if operator != "=")
        examples = " ".join(f"`{term}`" for term in _terms(field.example))
        speed = {"index": "yes", "none": "no"}.get(field.speed, field.speed.removeprefix("index "))
        needs = f"`{field.permission}`" if field.permission else ""
        rows.append(f"| `{name}` | {field.meaning} | {compares} | {examples} | {speed} | {needs} |")
    return HEAD + "\n".join(rows) + "\n" + TAIL


def _terms(text: str) -> list[str]:
    from jobs.filters import parse  # see above

    query = parse(text)
    return [query.written(term) for term in query.terms]


if __name__ == "__main__":
    sys.path.insert(0, str(PROJECT))
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "queuehub.settings")
    django.setup()
    PAGE.write_text(page())

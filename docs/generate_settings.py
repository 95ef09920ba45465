"""Writes docs/settings.md from the dataclass in jobs/conf.py: `python docs/generate_settings.py`."""

import ast
import re
import sys
from collections.abc import Iterator
from dataclasses import MISSING, Field, fields
from itertools import pairwise
from pathlib import Path
from typing import Any, get_type_hints

PROJECT = Path(__file__).resolve().parent.parent
PAGE = PROJECT / "docs" / "settings.md"
sys.path.insert(0, str(PROJECT))

from jobs import conf  # noqa: E402 - the path comes first

HEAD = """# Settings

Everything is optional and goes into one dictionary of your Django settings:

```python
QUEUEHUB = {"MAX_ATTEMPTS": 3, "RETENTION_SUCCEEDED_SECONDS": 86400}
```

The unit is in the name. `manage.py check` reports unknown keys, bad values and unsafe combinations.

| key | type | default | meaning |
|---|---|---|---|
"""
TAIL = """
This page is made by `python docs/generate_settings.py` from `jobs/conf.py`; do not edit it.
"""
COMPUTED = {"node": "the host's name"}
UNITS = {"days": 86400, "KiB": 1024}


def page() -> str:
    """Return the text of docs/settings.md."""
    hints, meanings = get_type_hints(conf.Settings), dict(_docstrings())
    rows = [_row(item, hints[item.name], meanings[item.name]) for item in fields(conf.Settings)]
    return HEAD + "\n".join(rows) + "\n" + TAIL


def _docstrings() -> Iterator[tuple[str, str]]:
    """Find the text after each field; Python keeps it nowhere but in the source."""
    module = ast.parse(Path(conf.__file__).read_text())
    body = next(
        node.body for node in module.body if isinstance(node, ast.ClassDef) and node.name == "Settings"
    )
    for left, right in pairwise(body):
        if isinstance(left, ast.AnnAssign) and isinstance(left.target, ast.Name):
            yield left.target.id, " ".join(ast.literal_eval(right.value).split())


def _row(item: "Field[Any]", hint: Any, meaning: str) -> str:
    kind = hint.__name__ if isinstance(hint, type) else re.sub(r"(?:\w+\.)+", "", str(hint))
    cells = (f"`{item.name.upper()}`", f"`{kind}`", _default(item), meaning)
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _default(item: "Field[Any]") -> str:
    if item.name in COMPUTED:
        return COMPUTED[item.name]
    value = item.default_factory() if item.default_factory is not MISSING else item.default
    unit = "KiB" if item.name.endswith("_bytes") else "days" if item.name.startswith("retention_") else ""
    if unit and value:
        return f"`{value}` ({value // UNITS[unit]} {unit})"
    return f'`"{value}"`' if isinstance(value, str) else f"`{value}`"


if __name__ == "__main__":
    PAGE.write_text(page())

"""docs/settings.md says what jobs/conf.py says."""

import runpy
from dataclasses import fields

from jobs.conf import Settings
from tests.support import PROJECT


def test_the_page_of_settings_is_up_to_date() -> None:
    page = runpy.run_path(str(PROJECT / "docs" / "generate_settings.py"))["page"]()
    assert (PROJECT / "docs" / "settings.md").read_text() == page, "run python docs/generate_settings.py"
    for item in fields(Settings):
        assert f"| `{item.name.upper()}` |" in page

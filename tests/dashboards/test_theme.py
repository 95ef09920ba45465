"""A site with an admin theme and colours of its own keeps them."""

from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from tests.factories import make_job

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("memory_transport")]

BASE = """{% extends "admin/base.html" %}
{% block branding %}<div id="site-name">Our own shop</div>{% endblock %}"""
PALETTE = '<link rel="stylesheet" href="/static/shop/colours.css">'


@pytest.fixture
def theme(tmp_path: Path, settings: Any) -> None:
    """Let the templates of a site take the place of this project's, as those of a site that installs the apps do."""
    for name, text in {"admin/base_site.html": BASE, "dashboards/palette.html": PALETTE}.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    settings.TEMPLATES = [{**settings.TEMPLATES[0], "DIRS": [tmp_path]}]


@pytest.mark.usefixtures("theme")
def test_the_admin_keeps_its_theme_and_gets_only_the_engine_s_own_classes(administrator: User) -> None:
    client = Client()
    client.force_login(administrator)
    dead = make_job("dead", task="tests.tasks.add", args=[1, 2])
    for path in ("/admin/", "/admin/jobs/job/", f"/admin/jobs/deadletter/{dead.pk}/change/"):
        page = client.get(path).content.decode()
        assert "Our own shop" in page
        assert "static/dashboards/" not in page
        assert ("jobs/admin.css" in page) == (path != "/admin/")


@pytest.mark.usefixtures("theme")
def test_the_pages_wear_the_site_s_colours(viewing: Client) -> None:
    page = viewing.get("/").content.decode()
    assert PALETTE in page
    assert "dashboards/palette.css" not in page

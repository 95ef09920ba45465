"""The page docs/adopt.md, followed word for word in projects fresh from `startproject`.

The package is built and installed from the sources into an environment of its own, which borrows what QueueHub depends
on from the tests' one; nothing is downloaded, and the checkout itself is on nobody's path.
"""

import os
import re
import shutil
import sqlite3
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Iterator
from contextlib import closing
from http.cookiejar import CookieJar
from pathlib import Path
from urllib.parse import urlencode
from urllib.request import HTTPCookieProcessor, build_opener

import django
import pytest
import redis
from websockets.sync.client import connect

from queuehub.embedded import EmbeddedServer
from tests.docs.documents import FENCE
from tests.support import PROJECT, Processes, Running, eventually, free_port

PAGE = PROJECT / "docs" / "adopt.md"
SOURCES = ("jobs", "dashboards", "pyproject.toml", "LICENSE")
NEEDS_DJANGO_TASKS = django.VERSION < (6, 0)
"""Whoever has Django 6.0 leaves the extra out, as the page says."""
PATIENCE_SECONDS = 110
PASSWORD = "correct-horse-7"  # nosec B105 # of a user of this test alone

pytestmark = pytest.mark.timeout(400)
Blocks = list[tuple[str, str]]


def section(title: str) -> Blocks:
    """Return language and text of the blocks below one heading of the page, in their order."""
    for part in re.split(r"^## ", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE):
        if part.partition("\n")[0] == title:
            return FENCE.findall(part)
    raise AssertionError(f"{PAGE.name} has no section {title!r}")


class Site:
    """A Django project in a folder of its own, and the environment in which it runs."""

    def __init__(self, folder: Path, python: Path, processes: Processes, environment: dict[str, str]) -> None:
        self.folder, self.processes = folder, processes
        self.environment = {"PATH": f"{python.parent}:{os.environ['PATH']}", **environment}

    def start(self, text: str) -> Running:
        """Run lines of a shell in the project's folder; the tests' settings are not its settings."""
        clean = ["env", "-u", "DJANGO_SETTINGS_MODULE", "-u", "PYTHONPATH", "-C", str(self.folder)]
        return self.processes.start(*clean, "sh", "-ec", text, env=self.environment)

    def run(self, text: str) -> str:
        """Run lines of a shell until they end well, and return what they printed."""
        running = self.start(text)
        assert running.wait(PATIENCE_SECONDS) == 0, f"{text}\n{running.output}"
        return running.output

    def follow(self, blocks: Blocks) -> None:
        """Do what the blocks say: write a file, go on with the settings, run commands."""
        for language, text in blocks:
            if language == "sh":
                self.run(text)
                continue
            file = self.folder / text.partition("\n")[0].removeprefix("# ")
            before = file.read_text() if file.name == "settings.py" else ""
            file.write_text(before + text)

    def remembers(self, database: str = "db.sqlite3") -> dict[str, set[tuple[str, ...]]]:
        """Return what stands in the project's database of apps: tables, migrations, groups, permissions."""
        questions = {
            "tables": "SELECT name FROM sqlite_master",
            "migrations": "SELECT app, name FROM django_migrations",
            "content types": "SELECT app_label, model FROM django_content_type",
            "permissions": "SELECT codename FROM auth_permission",
            "groups": "SELECT name FROM auth_group",
        }
        with closing(sqlite3.connect(self.folder / database)) as connection:
            return {name: set(connection.execute(sql)) for name, sql in questions.items()}


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The interpreter of an environment in which the page's first command has installed QueueHub."""
    root = tmp_path_factory.mktemp("adopt")
    for name in SOURCES:
        source, target = PROJECT / name, root / "queuehub" / name
        target.parent.mkdir(exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, target)
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", root / "env"], check=True)
    found = root / "env" / "bin" / "python"
    asked = [found, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]
    packages = Path(subprocess.run(asked, check=True, capture_output=True, text=True).stdout.strip())
    (packages / "borrowed.pth").write_text(sysconfig.get_path("purelib"))
    # pip reads "no" in PIP_NO_BUILD_ISOLATION as no isolation
    offline = {"PIP_NO_INDEX": "1", "PIP_NO_BUILD_ISOLATION": "no", "PIP_NO_COMPILE": "1", "PIP_NO_CACHE_DIR": "1"}
    (root / "mysite").mkdir()
    group = Processes(root, offline)
    try:
        site = Site(root / "mysite", found, group, {})
        site.follow([(language, text if NEEDS_DJANGO_TASKS else text.replace(",django52", ""))
                     for language, text in section("Install")])  # fmt: skip
        yield found
        ((_, text),) = section("Uninstall")[-1:]
        site.run(text.splitlines()[-1])
        assert "ok" in site.run("python -c 'import jobs' 2>&1 || echo ok")
    finally:
        group.kill()


@pytest.fixture
def start_project(
    python: Path, processes: Processes, redis_client: redis.Redis, valkey: EmbeddedServer, tmp_path: Path
) -> Callable[[], Site]:
    """Make the projects of a stranger."""

    def start() -> Site:
        folder = tmp_path / "mysite"
        folder.mkdir()
        site = Site(folder, python, processes, {"REDIS_URL": valkey.url})
        site.run("python -m django startproject mysite .")
        return site

    return start


def test_a_project_adopts_queuehub_and_gets_rid_of_it(
    start_project: Callable[[], Site], redis_client: redis.Redis
) -> None:
    site = start_project()
    site.run("python manage.py migrate")
    before = site.remembers()
    own = {name: site.folder / "mysite" / name for name in ("settings.py", "urls.py", "asgi.py")}
    texts = {name: file.read_text() for name, file in own.items()}

    for title in ("Settings", "Addresses", "Live pages", "The first task"):
        site.follow(section(title))
    commands, (_, services) = section("Migrate, check, run")
    site.follow([commands])
    site.run(f"DJANGO_SUPERUSER_PASSWORD={PASSWORD} python manage.py createsuperuser"
             " --no-input --username ada --email ada@example.org")  # fmt: skip
    assert len(site.remembers()["groups"]) == 3
    _look_at_the_pages(site, services.splitlines())

    first, _, second = section("Uninstall")
    site.follow([first])
    for name, file in own.items():
        file.write_text(texts[name])
    site.run(second[1].splitlines()[0])
    assert site.remembers() == before
    assert redis_client.keys("*") == []


def _look_at_the_pages(site: Site, services: list[str]) -> None:
    """Run the services, see the job succeed on the live page, and stop them in good order."""
    port = free_port()
    site.environment["UVICORN_PORT"] = str(port)
    running = [site.start(f"exec {line}") for line in services]
    running[-1].wait_for("Uvicorn running on", PATIENCE_SECONDS)
    cookies = CookieJar()
    browser = build_opener(HTTPCookieProcessor(cookies))
    address = f"http://127.0.0.1:{port}"

    login = f"{address}/admin/login/?next=/background/jobs/"
    browser.open(login).close()
    form = {"username": "ada", "password": PASSWORD, "csrfmiddlewaretoken": _cookie(cookies, "csrftoken")}
    browser.open(login, urlencode(form).encode()).close()
    question = f"{address}/background/jobs/?q=state:succeeded+task:shop.tasks.greet"
    eventually(lambda: "shop.tasks.greet</a>" in _text(browser, question).replace("<wbr>", ""), 60)
    assert "QueueHub" in _text(browser, f"{address}/background/")
    assert "Dead letters" in _text(browser, f"{address}/admin/")
    headers = {"Cookie": f"sessionid={_cookie(cookies, 'sessionid')}"}
    with connect(f"ws://127.0.0.1:{port}/ws/live/", additional_headers=headers, origin=address) as socket:
        assert "words" in str(socket.recv(timeout=60))
    assert "dashboards/static" in site.run("python manage.py findstatic dashboards/frame.js")
    for service in running:
        service.stop(PATIENCE_SECONDS)
    assert [service.process.returncode for service in running[:2]] == [0, 0]


def _cookie(cookies: CookieJar, name: str) -> str:
    return next(str(cookie.value) for cookie in cookies if cookie.name == name)


def _text(browser: object, address: str) -> str:
    with browser.open(address) as answer:  # type: ignore[attr-defined]
        return str(answer.read().decode())


def test_the_ledger_may_have_a_database_of_its_own(start_project: Callable[[], Site]) -> None:
    site = start_project()
    site.run("python manage.py migrate")
    before = site.remembers()
    settings = site.folder / "mysite" / "settings.py"
    text = settings.read_text()
    site.follow([*section("Settings"), *section("The first task"), *section("A database of its own for the ledger")])
    site.run("python manage.py jobs_enqueue shop.tasks.greet --args '[\"Ada\"]'\npython manage.py jobs_worker --burst")
    with closing(sqlite3.connect(site.folder / "ledger.sqlite3")) as ledger:
        assert ledger.execute("SELECT state FROM jobs_job").fetchall() == [("succeeded",)]
        assert ledger.execute("SELECT name FROM sqlite_master WHERE name LIKE 'auth%'").fetchall() == []
    tables = {name for (name,) in site.remembers()["tables"]}
    assert not {name for name in tables if name.startswith(("jobs_", "dashboards_"))}
    assert len(site.remembers()["groups"]) == 3

    first, there, second = section("Uninstall")
    site.follow([first, there])
    settings.write_text(text)
    site.run(second[1].splitlines()[0])
    assert site.remembers() == before
    with closing(sqlite3.connect(site.folder / "ledger.sqlite3")) as ledger:
        tables = {name for (name,) in ledger.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    assert tables == {"django_migrations", "sqlite_sequence"}


MODELS = '''
from django.contrib.auth.models import User
from django.db import models


class Job(models.Model):
    title = models.CharField(max_length=50)
    owner = models.ForeignKey(User, null=True, on_delete=models.CASCADE)
    similar = models.ManyToManyField("jobs.Job")
'''


def test_an_app_of_the_same_label_gives_way(start_project: Callable[[], Site]) -> None:
    site = start_project()
    company = site.folder / "company" / "jobs"
    company.mkdir(parents=True)
    for file in (company / "__init__.py", company.parent / "__init__.py"):
        file.touch()
    (company / "models.py").write_text(MODELS)
    settings = site.folder / "mysite" / "settings.py"
    settings.write_text(settings.read_text() + 'INSTALLED_APPS = [*INSTALLED_APPS, "company.jobs"]\n')
    make = "from company.jobs.models import Job; Job.objects.create(title='Cook').similar.add(Job.objects.create())"
    site.run(f'python manage.py makemigrations jobs\npython manage.py migrate\npython manage.py shell -c "{make}"')

    site.follow([*section("You have an app `jobs` already"), *section("Settings")])
    site.run("python manage.py migrate\npython manage.py makemigrations --check --dry-run")
    with closing(sqlite3.connect(site.folder / "db.sqlite3")) as database:
        assert database.execute("SELECT count(*) FROM company_jobs_job").fetchone() == (2,)
        assert database.execute("SELECT count(*) FROM company_jobs_job_similar").fetchone() == (1,)
        assert database.execute("SELECT count(task) FROM jobs_job").fetchone() == (0,)
    kept = {("company_jobs", "job"), ("jobs", "job")}
    assert kept <= site.remembers()["content types"]

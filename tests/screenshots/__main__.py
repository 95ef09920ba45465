"""Takes the pictures: all of them go to var/screenshots, those that the documents show to docs/images as well."""

import argparse
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import django
from django.core.management import call_command
from PIL import Image
from playwright.sync_api import Browser, Page

os.environ["DJANGO_SETTINGS_MODULE"] = "tests.screenshots.settings"
os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"  # Playwright's loop stays marked as running between its calls
django.setup()  # models can be imported only then

from django.contrib.auth.models import User  # noqa: E402
from django.test import Client  # noqa: E402

from jobs.models import Job  # noqa: E402
from queuehub.embedded import EmbeddedServer  # noqa: E402
from tests.browsing import Complaints, chromium, expect_state, opened  # noqa: E402
from tests.run_directory import directory  # noqa: E402
from tests.screenshots import jobs, site, traffic  # noqa: E402
from tests.support import eventually, free_port  # noqa: E402

PROJECT = Path(__file__).resolve().parents[2]
PICTURES = PROJECT / "var" / "screenshots"
SHOWN_IN_DOCUMENTS = (
    "overview-light", "overview-dark", "overview-narrow", "queues-light", "workers-light", "schedules-light",
    "tasks-light", "queue-dark", "job-light", "failures-light", "operations-dark",
)  # fmt: skip
LOOKS = {"light": ("light", 1360), "dark": ("dark", 1360), "narrow": ("light", 380)}
HEIGHT = 820
LONGEST = 2200
"""Height of the longest page that is shown whole."""
COLOURS = 256
"""Of a picture: flat areas and a few hues need no more, and a third of the bytes is left."""
EMPTY = ("", "jobs/", "queues/", "failures/", "workers/", "schedules/", "tasks/?q=nothing", "operations/")
NO_LEDGER = {
    "DJANGO_SETTINGS_MODULE": "queuehub.settings", "DATABASE_URL": "sqlite:////nowhere/ledger.sqlite3",
}  # fmt: skip
PROVOKED = ("403 (Forbidden)", "404 (Not Found)", "503 (Service Unavailable)", "ERR_", "Failed to fetch")


@contextmanager
def website(environment: Mapping[str, str] | None = None) -> Iterator[tuple[str, "subprocess.Popen[bytes]"]]:
    """Run the pages; gives their address and their process."""
    port = free_port()
    uvicorn = [sys.executable, "-m", "uvicorn", "queuehub.asgi:application", "--log-level", "critical"]
    errors = subprocess.DEVNULL if environment else None  # it tells of each provoked one
    with subprocess.Popen(
        [*uvicorn, "--port", str(port)], cwd=PROJECT, env=os.environ | (environment or {}), stderr=errors
    ) as server:
        try:
            eventually(lambda: _answers(port), 60)
            yield f"http://127.0.0.1:{port}", server
        finally:
            server.terminate()


def _answers(port: int) -> bool:
    try:
        return bool(urlopen(f"http://127.0.0.1:{port}/healthz").status == 200)
    except URLError:
        return False


def pages() -> dict[str, str]:
    """Return the addresses of the pages of the filled site by the pictures' names."""
    told = Job.objects.dead().filter(attempt=jobs.ATTEMPTS, task=jobs.TASK).values_list("pk", flat=True).get()
    return {
        "overview": "/",
        "queues": "/queues/",
        "queue": f"/queues/{next(iter(traffic.BUSY))}/",
        "queue-paused": f"/queues/{site.PAUSED}/",
        "workers": "/workers/",
        "schedules": "/schedules/",
        "jobs": "/jobs/",
        "jobs-dead": "/jobs/?q=state:dead+-queue:sample-webhooks+created:>-7d",
        "jobs-fault": "/jobs/?q=state:dead+stat:dead",
        "job": f"/jobs/{told}/",
        "job-queued": f"/jobs/{Job.objects.queued().values_list('pk', flat=True).first()}/",
        "job-edit": f"/jobs/{told}/edit/",
        "failures": "/failures/",
        "operations": "/operations/",
        **jobs.addresses(),
        "tasks": "/tasks/?q=sample",
        "task": f"/tasks/{traffic.TASK}/",
        "not-found": "/nothing/here/",
        "admin": "/admin/",
        "admin-jobs": "/admin/jobs/job/",
        "admin-job": f"/admin/jobs/deadletter/{Job.objects.dead().values_list('pk', flat=True).last()}/change/",
        "admin-user": f"/admin/auth/user/{User.objects.values_list('pk', flat=True).first()}/change/",
    }


class Photographer:
    """Takes pictures of some pages, all of them or those of the chosen names."""

    def __init__(self, browser: Browser, chosen: list[str] | None, complaints: Complaints) -> None:
        self.browser, self.chosen, self.complaints = browser, chosen, complaints

    def shoot(self, address: str, shown: Mapping[str, str], session: str = "") -> None:
        """Take pictures of pages by their names, each in all looks, as the user of the session."""
        for name, path in shown.items():
            if self.chosen and name not in self.chosen:
                continue
            with opened(self.browser, address, self.complaints) as page:
                page.goto("/healthz")
                if session:
                    page.context.add_cookies([{"name": "sessionid", "value": session, "url": address}])
                for look in LOOKS:
                    _dress(page, look)
                    page.goto(path)
                    _wait(page)
                    _save(page, name, look)

    def shoot_failed_login(self, address: str) -> None:
        """Take pictures of the login after a wrong password."""
        with opened(self.browser, address, self.complaints) as page:
            page.goto("/admin/login/")
            page.get_by_label("Username").fill("ann")
            page.get_by_label("Password").fill("nonsense")
            page.get_by_role("button", name="Log in").click()
            page.locator(".errornote").wait_for()
            for look in LOOKS:
                _dress(page, look)
                page.reload()
                _save(page, "login-failed", look)

    def shoot_stale(self, address: str, session: str, server: "subprocess.Popen[bytes]") -> None:
        """Take pictures of a page whose server goes away meanwhile."""
        with ExitStack() as stack:
            found = {}
            for look in LOOKS:
                page = found[look] = stack.enter_context(opened(self.browser, address, self.complaints))
                page.goto("/healthz")
                page.context.add_cookies([{"name": "sessionid", "value": session, "url": address}])
                _dress(page, look)
                page.goto("/")
                _wait(page)
            server.kill()
            for look, page in found.items():
                expect_state(page, "stale")
                _save(page, "stale", look)


def _dress(page: Page, look: str) -> None:
    theme, width = LOOKS[look]
    page.set_viewport_size({"width": width, "height": HEIGHT})
    page.evaluate("theme => localStorage.setItem('theme', theme)", theme)


def _wait(page: Page) -> None:
    if page.locator("#live").count():
        expect_state(page, "live")
    for chart in page.locator("[data-plot]").all():
        chart.locator("canvas").first.wait_for()


def _save(page: Page, name: str, look: str) -> None:
    """Take a picture of the whole page."""
    path, width = PICTURES / f"{name}-{look}.png", LOOKS[look][1]
    height = page.evaluate("document.documentElement.scrollHeight")
    page.screenshot(path=path, full_page=height <= LONGEST or look == "narrow")
    with Image.open(path) as image:
        # a palette by frequency would lose what is small and matters: the dots of the health strip
        found = image.convert("RGB").quantize(COLOURS, Image.Quantize.MAXCOVERAGE, kmeans=2, dither=Image.Dither.NONE)
        found.save(path, optimize=True)
    if page.evaluate("document.documentElement.scrollWidth") > width:
        sys.stderr.write(f"{path.name} is wider than the window\n")


def _session_of(user: User) -> str:
    client = Client()
    client.force_login(user)
    return client.cookies["sessionid"].value


def main() -> None:
    """Make the pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="*", help="names of pages")
    options = parser.parse_args()
    PICTURES.mkdir(parents=True, exist_ok=True)
    complaints = Complaints()
    for text in PROVOKED:
        complaints.allow(text)
    with EmbeddedServer(directory()), chromium() as browser:
        call_command("migrate", verbosity=0)
        camera = Photographer(browser, options.only, complaints)
        ann = _session_of(User.objects.create_superuser("ann", password="ann"))
        stranger = _session_of(User.objects.create_user("stranger", is_staff=True))
        with website() as (address, _):
            camera.shoot(address, {f"empty-{path.partition('/')[0] or 'overview'}": f"/{path}" for path in EMPTY}, ann)
        site.furnish()
        with site.beating():
            with website() as (address, _):
                camera.shoot(address, {"overview-calm": "/"}, ann)
        site.fill()
        with site.beating():
            with website() as (address, server):
                camera.shoot(address, {"login": "/admin/login/"})
                camera.shoot_failed_login(address)
                camera.shoot(address, pages(), ann)
                camera.shoot(address, {"forbidden": "/"}, stranger)
                camera.shoot_stale(address, ann, server)
        with website(NO_LEDGER) as (address, _):
            camera.shoot(address, {"ledger-away": "/"}, ann)
    for text in complaints.unexpected:
        sys.stderr.write(f"{text}\n")
    for name in SHOWN_IN_DOCUMENTS:
        if not options.only or name.rpartition("-")[0] in options.only:  # others are older than what the documents show
            shutil.copy(PICTURES / f"{name}.png", PROJECT / "docs" / "images")


if __name__ == "__main__":
    main()

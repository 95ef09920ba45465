"""A web server of the project, as it runs in production, over a private ledger, and somebody who is logged in to it."""

import os
import re
import socket
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from http.cookiejar import CookieJar
from pathlib import Path

from queuehub.tether import tethered

SETTINGS = {
    "DJANGO_SETTINGS_MODULE": "benchmarks.scale.settings",
    "ALLOWED_HOSTS": "127.0.0.1",
    "QUEUEHUB_ENV": "development",
}
START_SECONDS = 60
PASSWORD = "for-this-run-only"  # nosec B105 # of a server that ends with the run and listens on this machine


class Site:
    """`uvicorn queuehub.asgi:application` on a free port; `get` is what a browser would ask for."""

    def __init__(self, directory: Path, environment: dict[str, str]) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.log_path = directory / "web.log"
        self.environment = os.environ | environment | SETTINGS
        self.opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(CookieJar()))
        self.process: subprocess.Popen[bytes] | None = None

    def manage(self, *words: str) -> str:
        """Run a command of the project.

        Raises: subprocess.CalledProcessError.
        """
        command = [sys.executable, "manage.py", *words]
        environment = self.environment | {"DJANGO_SUPERUSER_PASSWORD": PASSWORD}
        return subprocess.run(command, env=environment, check=True, text=True, stdout=subprocess.PIPE).stdout

    def start(self) -> None:
        """Start the server and log in.

        Raises: RuntimeError if it does not answer.
        """
        self.manage("createsuperuser", "--noinput", "--username", "scale", "--email", "scale@example.org")
        command = [sys.executable, "-m", "uvicorn", "queuehub.asgi:application", "--port", str(self.port)]
        with self.log_path.open("wb") as log:
            self.process = subprocess.Popen(
                tethered([*command, "--log-level", "warning"]), env=self.environment, stdout=log, stderr=log
            )
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                self.get("/healthz")
                break
            except OSError:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(self.log_path.read_text()) from None
                time.sleep(0.1)
        self._log_in()

    def get(self, path: str) -> tuple[float, str]:
        """Return the seconds until the whole page has come, and the page."""
        began = time.perf_counter()
        with self.opener.open(self.url + path, timeout=60) as response:
            body = response.read()
        return time.perf_counter() - began, body.decode()

    def stop(self) -> None:
        """End the server."""
        if self.process is not None:
            self.process.terminate()
            self.process.wait(30)

    def _log_in(self) -> None:
        _, page = self.get("/admin/login/")
        found = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page)
        if found is None:
            raise RuntimeError("the log-in page has no form")
        form = {"csrfmiddlewaretoken": found[1], "username": "scale", "password": PASSWORD, "next": "/admin/"}
        request = urllib.request.Request(
            f"{self.url}/admin/login/", urllib.parse.urlencode(form).encode(), {"Referer": f"{self.url}/admin/login/"}
        )
        with self.opener.open(request, timeout=60) as response:
            if response.url != f"{self.url}/admin/":
                raise RuntimeError(f"the log-in ended at {response.url}")

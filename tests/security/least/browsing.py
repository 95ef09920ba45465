"""A browser without a screen: pages, forms and cookies by the standard library alone."""

import json
from http.cookiejar import CookieJar
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import HTTPCookieProcessor, Request, build_opener


class Visitor:
    """One person's session with a web server."""

    def __init__(self, server: str) -> None:
        self.server = server
        self.cookies = CookieJar()
        self._opener = build_opener(HTTPCookieProcessor(self.cookies))

    def cookie(self, name: str) -> str:
        """Return a cookie's value, "" if there is none."""
        return next((cookie.value or "" for cookie in self.cookies if cookie.name == name), "")

    def get(self, path: str, **headers: str) -> str:
        """Return a page's text. Raises: AssertionError if the answer is an error."""
        return self._open(Request(self.server + path, headers=headers))

    def post(self, path: str, **fields: Any) -> str:
        """Send a form with its CSRF token, and return the page that follows.

        Raises: AssertionError if the answer is an error or shows the form again with one.
        """
        fields["csrfmiddlewaretoken"] = self.cookie("csrftoken")
        page = self._open(Request(self.server + path, urlencode(fields, doseq=True).encode()))
        assert "errornote" not in page, page
        return page

    def log_in(self, name: str, password: str) -> "Visitor":
        """Sign in by the admin's form."""
        self.get("/admin/login/")
        self.post("/admin/login/", username=name, password=password, next="/")
        assert self.cookie("sessionid")
        return self

    def snapshot(self) -> dict[str, Any]:
        """Return the overview's figures."""
        content: dict[str, Any] = json.loads(self.get("/snapshot.json"))
        return content

    def _open(self, request: Request) -> str:
        try:
            with self._opener.open(request, timeout=20) as answer:
                return str(answer.read().decode())
        except HTTPError as error:
            said = f"{request.get_method()} {request.full_url}: {error.code}\n{error.read()[:2000]!r}"
            raise AssertionError(said) from None

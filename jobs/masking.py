"""Secrets in free text: what becomes *** before a text is logged or kept.

Three kinds are known by their form or value: the password of a URL, a value that is given to a name such as
`password`, and the secrets of this process's own settings and environment, wherever they turn up. A secret of another
form, in a variable without such a name, is not recognised.
"""

import os
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from django.conf import settings
from django.core.signals import setting_changed

MASK = "***"
SHORTEST_SECRET = 6
"""A shorter value of a setting is not searched for: it would blank out words."""

# Every repetition is bounded or cannot start anew inside itself: a hostile text takes linear time.
_URL_PASSWORD = re.compile(r"(://[^\s:/@'\"]{0,128}):[^\s/@]{1,512}@")
_NAME = r"passw(?:or)?d|passphrase|pwd|secret|token|api[_-]?key|access[_-]?key|private[_-]?key|credentials?"
_NAMED_VALUE = re.compile(
    rf"((?:{_NAME}|authorization|cookie)[\w-]{{0,32}}[\"']?\s{{0,4}}(?:=>|[:=])(?!=)\s{{0,4}})"
    r"(?:\"[^\"]*\"|'[^']*'|(?:bearer|basic|token)\s{1,4}[^\s,;]+|[^\s,;&'\")}\]]+)",
    re.IGNORECASE,
)
_HINTS = ("passw", "passphrase", "pwd", "secret", "token", "key", "credential", "authorization", "cookie")
_SECRET_NAME = re.compile(rf"{_NAME}|authorization|cookie|SECRET_KEY", re.IGNORECASE)
_SECRET_SETTING = re.compile(rf"{_NAME}|^SECRET_KEY", re.IGNORECASE)
_NOT_SECRET = {"PWD", "OLDPWD"}
_SETTINGS_WITH_SECRETS = ("DATABASES", "RQ_QUEUES", "QUEUEHUB", "CACHES", "CHANNEL_LAYERS")


def mask(text: str, *, is_code: bool = False) -> str:
    """Return the text with secrets replaced; in lines of source code, `token = …` is an assignment and stays."""
    text = _URL_PASSWORD.sub(rf"\1:{MASK}@", text)
    if not is_code and _may_name_secret(text):
        text = _NAMED_VALUE.sub(rf"\1{MASK}", text)
    known = _known_values()
    return known.sub(MASK, text) if known else text


def is_secret_name(name: str) -> bool:
    """Tell whether what is kept under this name is likely to be a secret."""
    return bool(_SECRET_NAME.search(name))


def _may_name_secret(text: str) -> bool:
    lowered = text.lower()  # ten such searches take a hundredth of the time of the expression
    return any(hint in lowered for hint in _HINTS)


@lru_cache(maxsize=1)
def _known_values() -> re.Pattern[str] | None:
    found = {value for value in _values() if len(value) >= SHORTEST_SECRET}
    longest_first = sorted(found, key=lambda value: (-len(value), value))
    return re.compile("|".join(map(re.escape, longest_first))) if longest_first else None


def _values() -> Iterator[str]:
    for name, value in os.environ.items():
        if name not in _NOT_SECRET:
            yield from _secrets_of(name, value)
    for name in dir(settings):
        if name.isupper() and isinstance(getattr(settings, name, None), str):
            yield from _secrets_of(name, getattr(settings, name))
    for name in _SETTINGS_WITH_SECRETS:
        yield from _secrets_of(name, getattr(settings, name, None))


def _secrets_of(name: str, value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _secrets_of(str(key), item)
    elif isinstance(value, str):
        if _SECRET_SETTING.search(name):
            yield value
        for match in _URL_PASSWORD.finditer(value):
            yield match[0].rpartition("@")[0].removeprefix(match[1] + ":")


def _forget(**_: Any) -> None:
    _known_values.cache_clear()


setting_changed.connect(_forget)

"""Arguments, results and other untrusted values as text; what looks like a secret is masked."""

import json
import re
from collections.abc import Mapping, Sequence
from inspect import Parameter, signature
from typing import Any

from jobs import filters
from jobs.definition import registry

MASK = "***"
SECRET_NAME = re.compile(
    r"passw|pwd|passphrase|secret|token|api.?key|access.?key|private.?key|authori[sz]ation|credential|cookie"
    r"|session|signature|cvv|card.?number|ssn|iban|dsn",
    re.IGNORECASE,
)
URL_PASSWORD = re.compile(r"(?<=://)([^/\s:@]*):[^/\s@]+@")


def pretty(value: Any) -> str:
    """Return the value as indented JSON."""
    return json.dumps(value, indent=2, ensure_ascii=False, default=str)


def masked(value: Any, name: str = "") -> Any:
    """Return the value with secrets replaced, wherever they are nested; `name` is the key that holds it."""
    if value is not None and SECRET_NAME.search(name):
        return MASK
    if isinstance(value, Mapping):
        return {key: masked(item, str(key)) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [masked(item) for item in value]
    if isinstance(value, str):
        return URL_PASSWORD.sub(rf"\1:{MASK}@", value)
    return value


def named_arguments(task: str, args: Any, kwargs: Any) -> list[tuple[str, Any]]:
    """Pair each argument with the name of its parameter, or with its position where the task is unknown."""
    positional = args if isinstance(args, list) else [args]
    keywords = kwargs if isinstance(kwargs, dict) else {"**": kwargs}
    names = _parameter_names(task)
    names += [f"[{index}]" for index in range(len(names), len(positional))]
    return [*zip(names, positional, strict=False), *keywords.items()]


def masked_arguments(task: str, args: Any, kwargs: Any) -> list[tuple[str, Any]]:
    """Pair as `named_arguments` does and mask; a value whose name is unknown is masked as a whole."""
    return [
        (name, MASK if name.startswith("[") else masked(value, name))
        for name, value in named_arguments(task, args, kwargs)
    ]


def masked_change(content: Any) -> Any:
    """Mask one side of an audit row; positional arguments have no names by which a secret could be told."""
    if isinstance(content, Mapping) and content.get("args"):
        content = {**content, "args": MASK}
    if isinstance(content, Mapping) and isinstance(content.get("filter"), str):
        content = {**content, "filter": filters.masked(content["filter"])}
    return masked(content)


def _parameter_names(task: str) -> list[str]:
    if task not in registry:
        return []
    found = registry.get(task)
    parameters = list(signature(found.func).parameters.values())[1 if found.takes_context else 0 :]
    kinds = (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)
    return [parameter.name for parameter in parameters if parameter.kind in kinds]

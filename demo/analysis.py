"""One Python file, looked at: how long it is, what it defines, which function is the longest.

Pure: bytes in, a JSON-ready mapping out. The task around it is in `tasks.py`.
"""

import ast
import hashlib
import importlib.util
import warnings
from collections.abc import Iterator
from typing import Any

BLOCKS = ("body", "orelse", "finalbody", "handlers", "cases")


def analyse(data: bytes, encoding: str | None = None, name: str = "<source>") -> dict[str, Any]:
    """Parse Python source and return its figures.

    `name` stands in the traceback of a file that does not parse. Without `encoding` the bytes are decoded as
    Python itself does it (PEP 263: byte order mark, coding cookie, UTF-8).

    The result is `{"lines": int, "functions": int, "classes": int, "longest_function": {"name": str, "lines":
    int} | None, "sha256": str}`.

    Raises: SyntaxError, UnicodeDecodeError, ValueError (NUL bytes in old versions of Python), LookupError (no
    such encoding).
    """
    text = data.decode(encoding) if encoding else _decoded(data, name)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # an invalid escape in somebody else's file is no news here
        tree = ast.parse(text, name)
    statements = list(_statements(tree))
    functions = [node for node in statements if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    longest = max(functions, key=_line_count, default=None)
    return {
        "lines": len(text.splitlines()),
        "functions": len(functions),
        "classes": sum(isinstance(node, ast.ClassDef) for node in statements),
        "longest_function": {"name": longest.name, "lines": _line_count(longest)} if longest else None,
        "sha256": hashlib.sha256(data).hexdigest(),
    }


def _decoded(data: bytes, name: str) -> str:
    try:
        return importlib.util.decode_source(data)
    except SyntaxError as error:  # Python's own words do not say which file it is
        raise SyntaxError(f"{error.msg} for {name!r}") from None


def _statements(tree: ast.Module) -> Iterator[ast.AST]:
    """Yield all nodes that hold statements or are some; `ast.walk` takes as long as the parser on expressions."""
    pending: list[ast.AST] = [tree]
    while pending:
        node = pending.pop()
        yield node
        for block in BLOCKS:
            pending.extend(getattr(node, block, ()))


def _line_count(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    return (function.end_lineno or function.lineno) - function.lineno + 1

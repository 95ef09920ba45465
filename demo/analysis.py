"""One Python file, looked at: how long it is, what it defines, which function is the longest.

Pure: bytes in, a JSON-ready mapping out. The task around it is in `tasks.py`.
"""

import ast
import hashlib
import importlib.util
import warnings
from typing import Any


def analyse(data: bytes, encoding: str | None = None, name: str = "<source>") -> dict[str, Any]:
    """Parse Python source and return its figures.

    `name` stands in the traceback of a file that does not parse. Without `encoding` the bytes are decoded as
    Python itself does it (PEP 263: byte order mark, coding cookie, UTF-8).

    The result is `{"lines": int, "functions": int, "classes": int, "longest_function": {"name": str, "lines":
    int} | None, "sha256": str}`.

    Raises: SyntaxError, UnicodeDecodeError, ValueError (NUL bytes in old versions of Python), LookupError (no
    such encoding).
    """
    text = data.decode(encoding) if encoding else importlib.util.decode_source(data)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # an invalid escape in somebody else's file is no news here
        tree = ast.parse(text, name)
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    longest = max(functions, key=_line_count, default=None)
    return {
        "lines": len(text.splitlines()),
        "functions": len(functions),
        "classes": sum(isinstance(node, ast.ClassDef) for node in ast.walk(tree)),
        "longest_function": {"name": longest.name, "lines": _line_count(longest)} if longest else None,
        "sha256": hashlib.sha256(data).hexdigest(),
    }


def _line_count(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    return (function.end_lineno or function.lineno) - function.lineno + 1

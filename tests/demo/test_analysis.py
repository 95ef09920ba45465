"""Parsing: what a good file yields, and how each bundled broken file fails."""

import ast
import hashlib

import pytest

from demo import library
from demo.analysis import analyse

pytestmark = pytest.mark.fast

SOURCE = b'''import os


class Shelf:
    def short(self):
        return 1

    async def long(self):
        first = 1
        return first


def middle(): return 2
'''


def test_figures_of_a_good_file_are_counted():
    assert analyse(SOURCE) == {
        "lines": 13,
        "functions": 3,
        "classes": 1,
        "longest_function": {"name": "long", "lines": 3},
        "sha256": hashlib.sha256(SOURCE).hexdigest(),
    }


def test_an_empty_file_has_no_longest_function():
    assert analyse(b"")["longest_function"] is None


def test_a_coding_cookie_decides_as_in_python_itself():
    assert analyse("# coding: latin-1\nname = 'Müller'\n".encode("latin-1"))["lines"] == 2


@pytest.mark.parametrize("label", library.find_packages({"broken": library.ROOTS["broken"]})["broken"])
def test_every_broken_file_fails_to_parse(label):
    with pytest.raises((SyntaxError, UnicodeDecodeError, ValueError)):
        analyse(library.locate(label).read_bytes(), name=label)


@pytest.mark.parametrize(
    ("name", "encoding"),
    [
        ("latin1_without_cookie", "latin-1"),
        ("cp1251_without_cookie", "cp1251"),
        ("shift_jis_without_cookie", "shift_jis"),
        ("utf16", "utf-16"),
        ("unknown_cookie", "utf-8"),
    ],
)
def test_the_right_encoding_repairs_a_wrongly_encoded_file(name, encoding):
    data = library.locate(f"broken/{name}.py.txt").read_bytes()
    assert analyse(data, encoding)["functions"] == 1


def test_a_syntax_error_names_the_file_and_the_line():
    label = "broken/missing_colon.py.txt"
    with pytest.raises(SyntaxError) as caught:
        analyse(library.locate(label).read_bytes(), name=label)
    assert (caught.value.filename, caught.value.lineno) == (label, 4)


@pytest.mark.parametrize("name", ["utf16", "latin1_without_cookie", "unknown_cookie"])
def test_a_file_whose_encoding_is_not_told_is_named_by_the_message(name):
    label = f"broken/{name}.py.txt"
    with pytest.raises(SyntaxError, match=f"encoding.* for '{label}'"):
        analyse(library.locate(label).read_bytes(), name=label)


def test_nothing_is_overlooked_in_nested_blocks():
    data = (library.ROOTS["stdlib"] / "asyncio" / "tasks.py").read_bytes() + NESTED
    figures, nodes = analyse(data), list(ast.walk(ast.parse(data)))
    functions = [node for node in nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    assert figures["functions"] == len(functions)
    assert figures["classes"] == sum(isinstance(node, ast.ClassDef) for node in nodes)
    assert figures["longest_function"]["lines"] == max(f.end_lineno - f.lineno + 1 for f in functions)


NESTED = b"""
try:
    pass
except OSError:
    def in_handler(): pass
else:
    class InElse: pass
finally:
    while False:
        match 1:
            case _:
                async def in_case():
                    with open("x"):
                        class Deep: pass
"""

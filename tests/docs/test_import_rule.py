"""The layers in ARCHITECTURE.md are those that import-linter checks."""

import tomllib

import pytest

from tests.docs.documents import blocks
from tests.support import PROJECT

pytestmark = pytest.mark.fast


def test_the_documented_layers_are_the_linted_ones() -> None:
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = {contract["id"]: contract for contract in project["tool"]["importlinter"]["contracts"]}
    linted = [[name.strip(" ()") for name in layer.split(":")] for layer in contracts["engine"]["layers"]]
    (drawn,) = blocks(PROJECT / "ARCHITECTURE.md", "layers")
    assert [line.split(", ") for line in drawn.text.splitlines()] == linted

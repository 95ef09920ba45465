"""docs/notifications.md names every option with its default, and every field of a failure."""

import time
from dataclasses import fields
from typing import Any

import pytest

from jobs.notifications import FailedJob, signature
from jobs.notifications.options import Options
from tests.docs.documents import Block, blocks
from tests.support import PROJECT

pytestmark = pytest.mark.fast
PAGE = PROJECT / "docs" / "notifications.md"


def test_every_option_stands_in_the_document_with_its_default() -> None:
    text = PAGE.read_text(encoding="utf-8")
    for item in fields(Options):
        (line,) = [line for line in text.splitlines() if line.startswith(f"| `{item.name}` |")]
        default = {"": "\N{EN DASH}", (): "`[]`"}.get(item.default, str(item.default))
        assert line.endswith((f"| {default} |", f'| `"{default}"` |'))


def test_every_field_of_a_failure_stands_in_the_document() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert [item.name for item in fields(FailedJob) if f"`{item.name}`" not in text] == []


def test_the_documented_check_of_a_signature_knows_the_true_from_the_false() -> None:
    (block,) = [block for block in blocks(PAGE, "python") if block.title == "shop/webhooks.py"]
    is_genuine = _defined(block)["is_genuine"]
    now = int(time.time())
    headers = signature.signed_headers("id-1", now, b"{}", "a secret of some length")
    assert is_genuine(headers, b"{}", "a secret of some length")
    assert not is_genuine(headers, b"{ }", "a secret of some length")
    assert not is_genuine(headers, b"{}", "another secret of some length")
    old = signature.signed_headers("id-1", now - 600, b"{}", "a secret of some length")
    assert not is_genuine(old, b"{}", "a secret of some length")


def _defined(block: Block) -> dict[str, Any]:
    namespace: dict[str, Any] = {}
    exec(block.text, namespace)
    return namespace

"""The list of allowed skips."""

import pytest

from tests.skips import LIST, allowed_patterns

pytestmark = pytest.mark.fast


def test_comments_and_empty_lines_are_no_patterns():
    assert allowed_patterns("# why\n\ntests/a.py::test_* | needs a printer\n") == ["tests/a.py::test_*"]


def test_a_skip_without_a_reason_is_refused():
    with pytest.raises(ValueError, match="has no reason"):
        allowed_patterns("tests/a.py::test_b\n")


def test_the_list_itself_is_well_formed():
    allowed_patterns(LIST.read_text())

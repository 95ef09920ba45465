"""The text of a filter is read into terms, or refused with the place that is at fault."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.errors import FilterError
from jobs.filters import Query, parse, quoted, written

pytestmark = pytest.mark.fast


def read(text: str) -> list[tuple[str, str, list[str]]]:
    """Return (minus and field with path, operator, values) of each term."""
    return [
        (
            ("-" if term.is_negated else "") + ".".join([term.field, *term.path]),
            term.operator,
            [value.text for value in term.values],
        )
        for term in parse(text).terms
    ]


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("", []),
        ("   ", []),
        ("charge", [("", "=", ["charge"])]),
        ("-charge", [("-", "=", ["charge"])]),
        ("state:dead", [("state", "=", ["dead"])]),
        ("State:dead,queued", [("state", "=", ["dead", "queued"])]),
        ("-queue:x  task:y", [("-queue", "=", ["x"]), ("task", "=", ["y"])]),
        ("created:>-2h", [("created", ">", ["-2h"])]),
        ("created:<=2026-11-23T10:30", [("created", "<=", ["2026-11-23T10:30"])]),
        ("kwargs.user.id:1", [("kwargs.user.id", "=", ["1"])]),
        ("kwargs.User:1", [("kwargs.User", "=", ["1"])]),
        ('error:"no such host"', [("error", "=", ["no such host"])]),
        ('"a b",c', [("", "=", ["a b", "c"])]),
        (r'args.0:"say \"hi\" \\ x"', [("args.0", "=", [r'say "hi" \ x'])]),
        ('args.0:5"', [("args.0", "=", ['5"'])]),
        ("key:a:b", [("key", "=", ["a:b"])]),
    ],
)
def test_terms_are_read(text: str, terms: list[tuple[str, str, list[str]]]) -> None:
    assert read(text) == terms


@pytest.mark.parametrize(
    ("text", "part", "message"),
    [
        ("state:", "state:", "state: has no value here. Write one behind it."),
        ("a state: b", "state:", "state: has no value here. Write one behind it."),
        ("queue:a,", "queue:a,", "queue: has no value here. Write one behind it."),
        ("created:> x", "created:>", "created: has no value here. Write one behind it."),
        ("x -", "-", "This term has no value here. Write one behind it."),
        ('a error:"no such', '"no such', 'The quotes are not closed. Put a " at the end of the value.'),
        ('"a"b', '"a"b', 'After the closing " comes a space or a comma. A quote inside a value is written \\".'),
        ('task:""', 'task:""', "A value cannot be empty."),
        ("a\x00b", "a\x00b", "A value holds only printable characters."),
        ("x" * 2049, "x", "A filter has at most 2,048 characters, this one has 2,049."),
        ("y " * 41, "y ", "A filter has at most 40 terms."),
        ("queue:" + "z," * 100 + "z", "queue:" + "z," * 100 + "z", "A term has at most 100 values."),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_place(text: str, part: str, message: str) -> None:
    with pytest.raises(FilterError) as caught:
        parse(text)
    assert str(caught.value) == message
    assert text[caught.value.start : caught.value.end] == part


@pytest.mark.lingers
@given(st.text(max_size=80) | st.text('ab:,"\\-<>=. ', max_size=40))
def test_every_text_is_read_or_refused(text: str) -> None:
    match refusal_or_query(text):
        case FilterError() as error:
            assert 0 <= error.start < error.end <= len(text)
        case query:
            assert all(query.written(term).strip() for term in query.terms)


def refusal_or_query(text: str) -> FilterError | Query:
    try:
        return parse(text)
    except FilterError as error:
        return error


@pytest.mark.lingers
@given(st.text(min_size=1, max_size=40).filter(lambda text: text.isprintable() and text.strip()))
def test_a_quoted_value_is_read_back(value: str) -> None:
    (term,) = parse(written("task", [value, "x"])).terms
    assert [each.text for each in term.values] == [value, "x"]
    (word,) = parse(quoted(value)).terms
    assert (word.field, word.is_negated, word.values[0].text) == ("", False, value)


def test_a_term_is_taken_out_of_a_filter() -> None:
    query: Query = parse('state:dead  -queue:"a b",c charge')
    assert [query.written(term) for term in query.terms] == ["state:dead", '-queue:"a b",c', "charge"]
    assert query.without(query.terms[1]) == "state:dead charge"
    assert query.has("queue")
    assert not query.has("task")

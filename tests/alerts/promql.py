"""What a PromQL expression does with the web processes' equal series, read off its text.

Enough of the grammar for that: strings, selectors and numbers are cut out, and what remains is names, parentheses and
lists of labels.
"""

import re
from typing import NamedTuple

CUT = re.compile(r'"[^"]*"|\'[^\']*\'|\{[^}]*\}|\[[^\]]*\]')
WORD = re.compile(r"[A-Za-z_:][\w:]*|[()]")
LISTS = {"by", "without", "on", "ignoring", "group_left", "group_right"}
AGGREGATIONS = {
    "sum", "min", "max", "avg", "group", "stddev", "stdvar", "count", "count_values", "bottomk", "topk", "quantile",
}  # fmt: skip
OF_ONE_PROCESS = {"queuehub_live_connections", "queuehub_live_messages_dropped_total"}
"""What each web process counts for itself."""


class Call(NamedTuple):
    """A function or aggregation, with the labels that the latter keeps (by) or removes (without)."""

    name: str
    keyword: str
    labels: frozenset[str]


NO_CALL = Call("", "", frozenset())


def metrics(expression: str) -> set[str]:
    """Return the metrics of QueueHub in the expression, recorded ones as well."""
    return {word for word in _words(expression) if "queuehub_" in word}


def miscounted(expression: str) -> list[str]:
    """Return the metrics that the expression counts once for each web process, or of which it leaves processes out.

    Right are `max without (instance, …) (…)` and `max by (…) (…)` as the innermost aggregation, `absent(…)`, and for
    what a process counts for itself a sum. Recorded series are of the right kind already.
    """
    words, found, calls, call = _words(expression), [], [], NO_CALL
    place = 0
    while place < len(words):
        word = words[place]
        if word in LISTS and words[place + 1 : place + 2] == ["("]:
            end = words.index(")", place)
            if word in ("by", "without"):
                call = Call(call.name, word, frozenset(words[place + 2 : end]))
            place = end
        elif word == "(":
            calls.append(call)
            call = NO_CALL
        elif word == ")":
            calls.pop()
            call = NO_CALL
        elif word.startswith("queuehub_"):
            if not _is_right(word, calls):
                found.append(word)
        else:
            call = Call(word, "", frozenset())
        place += 1
    return found


def _words(expression: str) -> list[str]:
    return WORD.findall(CUT.sub(" ", expression))


def _is_right(metric: str, calls: list[Call]) -> bool:
    for call in reversed(calls):
        if call.name == "absent":
            return True
        if call.name in AGGREGATIONS:
            wanted = "sum" if metric in OF_ONE_PROCESS else "max"
            return call.name == wanted and _removes_instance(call)
    return False


def _removes_instance(call: Call) -> bool:
    return ("instance" in call.labels) == (call.keyword == "without")

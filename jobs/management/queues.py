"""A command that does one verb on queues by their names."""

from argparse import ArgumentParser
from collections.abc import Iterator
from difflib import get_close_matches

from jobs.filters.known import queue_names
from jobs.management.operator import OperatorCommand, add_reason
from jobs.names import check_queue


class QueueCommand(OperatorCommand):
    """Pause or resume."""

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("queues", nargs="+", metavar="QUEUE", help="a queue's name")
        add_reason(parser)
        super().add_arguments(parser)

    def each(self, queues: list[str]) -> Iterator[tuple[str, str | None]]:
        """Yield each name, with what to say of it if nobody knows the queue; None for those that are known.

        Raises: InvalidJob before the first one, if any cannot be a queue's name.
        """
        for name in queues:
            check_queue("queue", name)
        known = queue_names()
        for name in dict.fromkeys(queues):
            close = get_close_matches(name, known, n=1)
            hint = f"Nobody has used a queue {name} yet.{f' Did you mean {close[0]}?' if close else ''}"
            yield name, None if name in known else hint

    def tell(self, hint: str) -> None:
        """Write a hint to standard error."""
        self.stderr.write(hint, style_func=str)


"""A command that does one verb on many jobs: it counts first, asks above 1,000, and shows how far it is.

The work is a bulk operation: should the command be killed, the scheduler goes on with it, and it can be undone.
"""

from argparse import ArgumentParser
from collections.abc import Mapping
from typing import Any, ClassVar

from django.core.management.base import CommandError
from django.db import transaction
from django.db.models import Count

from jobs import operations, spoken
from jobs.conf import get_settings
from jobs.filters import parse, pinned, readable_by, written
from jobs.lifecycle import operate
from jobs.management.operator import (
    FAILED,
    IN_PART,
    NOTHING,
    USAGE,
    OperatorCommand,
    add_reason,
    checked,
    found_ids,
)
from jobs.management.progress import Progress
from jobs.models import Operation
from jobs.models.operation import OperationState

ASK_ABOVE = 1000
REASONS_SHOWN = 10


class BulkCommand(OperatorCommand):
    """Retry, cancel or discard. A filter that names no state means the states that the verb is for."""

    verb: ClassVar[str]
    done: ClassVar[str]
    """The verb in the past: "retried"."""
    states: ClassVar[tuple[str, ...]]

    def add_arguments(self, parser: ArgumentParser) -> None:
        states = written("state", self.states)
        parser.add_argument("ids", nargs="*", metavar="ID", help="a job's id, or its beginning")
        parser.add_argument(
            "--filter", metavar="TERMS", help=f"all that match, as on the pages; {states} unless it names states"
        )
        parser.add_argument("--dry-run", action="store_true", help="count only")
        parser.add_argument("--yes", action="store_true", help=f"do not ask, even above {ASK_ABOVE:,} jobs")
        parser.add_argument("--background", action="store_true", help="leave the work to the scheduler")
        parser.add_argument(
            "--per-second", type=int, metavar="N", help="at most so many in a second; in the background"
        )
        add_reason(parser)
        super().add_arguments(parser)

    def verb_options(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """Return the verb's own options."""
        return {}

    def act(self, **options: Any) -> int | None:
        # before the transaction: a refusal stays in the audit log
        operate.permit(options["actor"], operations.BULK_VERBS[self.verb].permission, self.verb, target="operation")
        wanted = self._wanted(options)
        with transaction.atomic(using=get_settings().database):
            operation = self._preview(wanted, options)
            if options["dry_run"]:
                transaction.set_rollback(True, using=get_settings().database)
        self._tell_preview(operation, options)
        if not operation.possible_count and not operation.is_capped:
            self._drop(operation, options)
            return NOTHING
        if options["dry_run"]:
            return None
        try:
            is_meant = self._is_confirmed(operation, options)
        except CommandError:
            self._drop(operation, options)
            raise
        if not is_meant:
            self._drop(operation, options)
            return FAILED
        operation = operations.start(operation, actor=options["actor"], reason=options["reason"])
        if options["background"] or options["per_second"]:
            self.say(f"Operation {operation.pk} goes on in the background, as long as a scheduler runs.")
            return None
        return self._finish(operation, options["actor"])

    def _wanted(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """Return which jobs are meant, as the preview takes them."""
        ids, text = options["ids"], options["filter"]
        if bool(ids) == (text is not None):
            raise CommandError(f"Say which jobs: ids, or --filter '{self._example()}'.", returncode=USAGE)
        if ids:
            return {"ids": found_ids(ids)}
        if not text.strip():  # such as a script's variable that is not set
            remedy = f"For all that can be {self.done} say --filter '{written('state', self.states)}'."
            raise CommandError(f"The filter is empty. {remedy}", returncode=USAGE)
        checked(text)
        if not parse(text).has("state"):
            text = f"{written('state', self.states)} {text}".rstrip()
        return {"filter": pinned(text)}

    def _example(self) -> str:
        return f"{written('state', self.states[:1])} task:billing"

    def _preview(self, wanted: Mapping[str, Any], options: Mapping[str, Any]) -> Operation:
        return operations.preview(
            self.verb, actor=options["actor"], reason=options["reason"], per_second=options["per_second"],
            options=self.verb_options(options), **wanted,
        )  # fmt: skip

    def _tell_preview(self, operation: Operation, options: Mapping[str, Any]) -> None:
        total, possible = operation.expected_count, operation.possible_count
        more = "+" if operation.is_capped else ""
        which = f" {readable_by(options['actor'], operation.filter)}" if operation.filter else ""
        self.say(f"{total:,}{more} job{'s' * (total != 1)} match{'es' * (total == 1)}{which}")
        if options["dry_run"] or possible != total:
            self.say(f"  {possible:,}{more} can be {self.done}")
        if note := operations.counting_note(operation):
            self.say(f"  {note}")
        reasons = operation.frequent_refusals
        for reason, number in reasons[:REASONS_SHOWN]:
            self.say(f"  {number:,} cannot: {reason}")
        if len(reasons) > REASONS_SHOWN:
            rest = sum(number for _, number in reasons[REASONS_SHOWN:])
            self.say(f"  {rest:,} cannot for {len(reasons) - REASONS_SHOWN} other reasons")

    def _is_confirmed(self, operation: Operation, options: Mapping[str, Any]) -> bool:
        number = operation.possible_count
        if options["yes"] or (number <= ASK_ABOVE and not operation.is_capped):
            return True
        more = "+" if operation.is_capped else ""
        return self.is_confirmed(f"{number:,}{more} jobs would be {self.done}", self.verb)

    def _drop(self, operation: Operation, options: Mapping[str, Any]) -> None:
        if not options["dry_run"]:
            operation.delete(using=get_settings().database)

    def _finish(self, operation: Operation, actor: operate.Actor) -> int:
        total = 0 if operation.is_capped else operation.expected_count
        try:
            with Progress(self.stderr, self.done) as line:
                ended = operations.finish_now(operation, told=lambda now: line.tell(now.done_count, total))
        except KeyboardInterrupt:
            operation.refresh_from_db()
            ended = operation if operation.is_over else operations.stop(operation, actor=actor, reason="Ctrl-C")
        return self._report(ended)

    def _report(self, operation: Operation) -> int:
        self.say(f"{operation.changed_count:,} {self.done}, operation {operation.pk}")
        reasons = operation.results.order_by().values_list("result", "reason").annotate(number=Count("pk"))
        for result, reason, number in reasons.order_by("-number")[:REASONS_SHOWN]:
            self.say(f"  {number:,} {result}: {reason}")
        if operation.state == OperationState.FAILED:
            raise CommandError(f"The operation could not go on: {operation.error}", returncode=FAILED)
        if operation.state == OperationState.CANCELLED:
            self.say(f"Stopped before the end; {spoken.count(operation.done_count, 'job')} had been looked at.")
            return FAILED
        if operation.skipped_count or operation.failed_count:
            return IN_PART
        return 0

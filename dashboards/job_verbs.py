"""What is done to one job by a button, and to many by an operation: names in addresses, words, what may be shown."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.forms import DateTimeField
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.views.decorators.http import require_POST

from dashboards import snapshot
from dashboards.actions import REASON_LENGTH
from jobs.conf import get_settings
from jobs.errors import InvalidJob, NotPermitted
from jobs.models import Job
from jobs.operations import BULK_VERBS, BulkVerb
from jobs.states import JobState


@dataclass(frozen=True, slots=True)
class Words:
    """How a verb is spoken of."""

    label: str
    done: str
    """The verb in the past: "Job retried"."""
    one: str
    """What happens to one job."""
    many: str
    """What happens to many."""
    is_dangerous: bool = False


WORDS: Mapping[str, Words] = {
    "retry": Words(
        "Retry", "retried", "It runs again with fresh attempts; its history is kept.",
        "They run again with fresh attempts; their history is kept.",
    ),
    "run_now": Words("Run now", "due now", "It no longer waits for its time.", "They no longer wait for their time."),
    "cancel": Words(
        "Cancel", "cancelled", "It ends at once. This can be undone while it is kept.",
        "Waiting jobs end at once; running ones are asked to stop. This can be undone while they are kept.", True,
    ),
    "discard": Words(
        "Discard", "discarded", "The dead letter is given up. This can be undone while it is kept.",
        "The dead letters are given up. This can be undone while they are kept.", True,
    ),
    "restore": Words(
        "Undo", "restored", "The job is again what it was before it was discarded or cancelled.",
        "The jobs are again what they were before they were discarded or cancelled.",
    ),
    "move": Words(
        "Move", "moved", "It waits on the other queue from now on.", "They wait on the other queue from now on.",
    ),
    "clone": Words(
        "Clone", "cloned", "A copy is enqueued, due now. This job stays as it is.",
        "A copy of each is enqueued, due now. The jobs themselves stay as they are.",
    ),
}  # fmt: skip
"""By the names of the engine's verbs, in the order of the buttons of one job."""

EMPTY = Words(
    "Empty", "cancelled", "", "All jobs that wait are cancelled; running ones go on. This can be undone while they are"
    " kept.", True,
)  # fmt: skip
BULK_WORDS: Mapping[str, Words] = {**WORDS, "empty": EMPTY}

ADDRESSES = {name: "undo" if name == "restore" else name for name in WORDS}
"""The last part of a verb's address."""

REPAIRS = frozenset({"retry", "restore"})
BULK = ("retry", "run_now", "cancel", "discard", "move", "clone")


@dataclass(frozen=True, slots=True)
class Button:
    """A verb that the visitor may use."""

    verb: BulkVerb
    words: Words
    address: str = ""

    @property
    def css_class(self) -> str:
        """The look of the button: what repairs stands out."""
        return "primary" if self.verb.name in REPAIRS else "ghost"

    @property
    def has_moment(self) -> bool:
        return "run_after" in self.verb.options

    @property
    def has_queue(self) -> bool:
        return "queue" in self.verb.options


def job_buttons(user: Any, job: Job) -> list[Button]:
    """Return the buttons of a job's page: what the user may do and the job allows."""
    found = []
    for name, words in WORDS.items():
        verb = BULK_VERBS[name]
        if not user.has_perm(verb.permission) or verb.refuse(job):
            continue
        said = Words("Stop", words.done, "It is asked to stop, and is cancelled once it has.", "", True)
        is_stop = name == "cancel" and job.state == JobState.RUNNING
        address = reverse("dashboards:job_verb", args=[job.pk, ADDRESSES[name]])
        found.append(Button(verb, said if is_stop else words, address))
    return found


def bulk_buttons(user: Any) -> list[Button]:
    """Return the buttons over a list of jobs: what the user may do to many."""
    return [Button(BULK_VERBS[name], WORDS[name]) for name in BULK if user.has_perm(BULK_VERBS[name].permission)]


@require_POST
def job_verb(request: HttpRequest, job_id: Any, verb_name: str) -> HttpResponse:
    """Do one verb to one job and go back to its page."""
    name = next((name for name, address in ADDRESSES.items() if address == verb_name), None)
    if name is None:
        raise Http404
    verb, page = BULK_VERBS[name], HttpResponseRedirect(reverse("dashboards:job", args=[job_id]))
    reason = request.POST.get("reason", "").strip()[:REASON_LENGTH]
    try:
        options = options_of(request, verb)
        report = verb.perform([job_id], actor=request.user, reason=reason, **verb.read(options))
    except NotPermitted as error:
        raise PermissionDenied(str(error)) from None
    except InvalidJob as error:
        messages.error(request, f"Nothing was changed: {error}")
        return page
    snapshot.forget()
    if report.changed:
        messages.success(request, _done(job_id, name, options))
    elif report.skipped.get(job_id) == "there is no such job":
        raise Http404
    else:
        messages.warning(request, f"The job was left as it is: {', '.join(report.skipped.values())}.")
    return page


def options_of(request: HttpRequest, verb: BulkVerb) -> dict[str, Any]:
    """Return what the form says beside jobs, as the verb's JSON.

    Raises: InvalidJob for a moment that is none.
    """
    found: dict[str, Any] = {}
    if "queue" in verb.options:
        found["queue"] = request.POST.get("queue", "").strip()
    if "run_after" in verb.options and (text := request.POST.get("run_after", "").strip()):
        try:
            moment = DateTimeField().clean(text)
        except ValidationError:
            raise InvalidJob("run_after", f"{text!r} is not a time.", "Write 2026-11-23 10:30.") from None
        found["run_after"] = moment.isoformat()
    return found


def _done(job_id: Any, name: str, options: Mapping[str, Any]) -> str:
    if name == "cancel":
        state = Job.objects.using(_alias()).filter(pk=job_id).values_list("state", flat=True).first()
        if state == JobState.RUNNING:
            return "The job was asked to stop."
    if name == "move":
        return f"Job moved to {options['queue']}."
    return f"Job {WORDS[name].done}{', to run later' if options.get('run_after') else ''}."


def _alias() -> str:
    return get_settings().database

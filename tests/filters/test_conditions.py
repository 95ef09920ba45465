"""Each field finds the jobs that it says, on both databases alike."""

from uuid import UUID

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from jobs import statistics
from jobs.errors import FilterError
from jobs.filters import FIELDS, Search, matching, parse, pinned
from jobs.fingerprints import fingerprint_of
from jobs.models import Job
from tests.factories import ADD
from tests.filters.made import LETTER, make_jobs

pytestmark = pytest.mark.django_db


@pytest.fixture
def names() -> dict[UUID, str]:
    """Make the jobs, and return their names by id."""
    return make_jobs()


def found(names: dict[UUID, str], text: str) -> str:
    """Return the names of the jobs that match, sorted; a page and the work on all of them must agree."""
    page = Search(parse(text), actor="test").page()
    assert not page.note
    shown = sorted(names[job.id] for job in page.jobs)
    assert shown == sorted(names[job.id] for job in matching(text, actor="test"))
    return " ".join(shown)


ALL = "dead deep gone late old plain running text"

CASES = [
    ("", ALL),
    ("state:dead", "dead"),
    ("state:DEAD,queued", "dead plain text"),
    ("-state:dead,queued", "deep gone late old running"),
    ("state:dead state:queued", ""),
    ("queue:mail", "running text"),
    ("queue:mail*", "deep running text"),
    ("queue:*il", "running text"),
    ("queue:m*l*,nothing", "deep running text"),
    ("-queue:mail,mail-bulk", "dead gone late old plain"),
    (f"task:{LETTER}", "deep text"),
    ("task:LETTER", "deep text"),
    ("task:tests.*.add", "dead gone late old plain running"),
    ("-task:letter", "dead gone late old plain running"),
    ("letter", "deep text"),
    ("-letter state:queued", "plain"),
    ("invoice-17", "plain"),
    ("invoice-17,letter", "deep plain text"),
    ("nothing.of.the.kind", ""),
    ("worker:web-3", "dead"),
    ("worker:worker-1 state:running", "running"),
    ("-worker:worker-1 state:running", ""),
    ("key:invoice-17", "plain"),
    ("key:invoice-1", ""),
    ("-key:invoice-17 state:queued", "text"),
    ("tag:nightly", "old"),
    ("tag:nightly_2,zzz", "text"),
    ("tag:nightlyx2", ""),
    ("-tag:nightly state:succeeded,queued", "plain text"),
    ("error:CardDeclined", "dead"),
    ("error:billing.errors.CardDeclined", "dead"),
    ("error:declined", "dead"),
    ("error:overran", "late"),
    ("error:carddeclined,TaskTimeout", "dead late"),
    ('error:"card 17"', "dead"),
    ("error:Ada", "dead"),  # a quoted value, which the group does not have
    ("error:nonesuch", ""),
    ("-error:CardDeclined state:dead,retrying", "late"),
    ('-error:"card 17" state:dead,retrying', "late"),
    ("created:>-2h", "dead deep gone late plain running text"),
    ("created:<-2h", "old"),
    ("created:>=today", "dead deep gone late plain running text"),
    ("created:today", "dead deep gone late plain running text"),
    ("created:<yesterday", "old"),
    ("-created:today", "old"),
    ("created:<2000-01-01", ""),
    ("created:>2000-01-01T00:00 state:succeeded", "old"),
    ("wait:>80s", "plain"),
    ("wait:>30s state:running,queued", "plain running"),
    ("-wait:>30s state:running,queued", "text"),
    ("wait:<=1h state:running", "running"),
    ("args.0:42", "plain text"),
    ("args.0:4", ""),
    ("args.1:0", "plain"),
    ("args.1:0.0,2", "old plain"),
    ("args.0.user.id:7", "gone"),
    ("args.0.user.tags.0:x", "gone"),
    ("args.0.user.tags.1:null", "gone"),
    ("args.0.user.tags.2:true", "gone"),
    ("kwargs.subject:yes", "deep"),
    ("kwargs.user.id:20", "deep"),
    ("kwargs.user.height:2", "deep"),
    ("kwargs.user.zip:0123", "deep"),
    ("kwargs.user.zip:123", ""),
    ("kwargs.user.boss:null", "deep"),
    ("kwargs.user.id:null", ""),
    ("kwargs.user.id:21,x", ""),
    ("kwargs.user.roles:author", ""),
    ("kwargs.user.roles.1:editor", "deep"),
    ("-kwargs.user.id:20 state:scheduled", ""),
    ("kwargs.in:1.5", "gone"),
    ("kwargs.b:5", "gone"),
    ("-kwargs.b:5", "dead deep late old plain running text"),
    ("-args.0:42 state:queued,scheduled", "deep"),
    ("kwargs.b:Infinity,NaN,1e999", ""),
    ("args.0:42 letter", "text"),
]


def test_each_field_finds_what_it_says(names: dict[UUID, str]) -> None:
    wrong = {text: said for text, wanted in CASES if (said := found(names, text)) != wanted}
    assert wrong == {}


def test_every_field_is_tried() -> None:
    tried = {term.field for text, _ in CASES for term in parse(text).terms}
    assert tried | {"id"} >= set(FIELDS)


def test_ids_are_found_by_their_beginning(names: dict[UUID, str]) -> None:
    by_name = {name: str(job_id) for job_id, name in names.items()}
    dead = by_name["dead"]
    assert found(names, f"id:{dead}") == found(names, dead) == found(names, dead.replace("-", "").upper()) == "dead"
    assert found(names, f"id:{by_name['old'][:10]}") == found(names, by_name["old"][:10]) == "old"
    assert found(names, f"id:{dead[:33]},{by_name['old'][:12]}") == "dead old"
    assert "dead" not in found(names, f"-id:{dead}").split()


def test_a_failure_is_found_by_its_fingerprint(names: dict[UUID, str]) -> None:
    name = fingerprint_of("billing.errors.CardDeclined", "card 99 of 'Bob' was declined", ADD)
    assert found(names, f"error:{name}") == "dead"
    assert found(names, f"-error:{name} state:dead,retrying") == "late"


def test_tasks_that_only_statistics_know_are_found_by_a_part(names: dict[UUID, str]) -> None:
    Job.objects.filter(state="succeeded").update(task="shop.tasks.former")
    assert found(names, "former") == ""
    raw = statistics.Statistic.objects.order_by("-id").first()
    assert raw is not None
    statistics.Statistic.objects.filter(pk=raw.pk).update(task="shop.tasks.former")
    statistics.fold()
    assert found(names, "former") == found(names, "task:shop.*") == "old"


@pytest.mark.parametrize(
    ("text", "part", "message"),
    [
        ("x stat:dead", "stat:dead", "There is no field stat. Did you mean state? The fields are state, queue,"),
        ("state:deed", "deed", "There is no state deed. Did you mean dead? The states are scheduled, blocked,"),
        ("http://x.org", "http://x.org", "There is no field http."),
        ("state.x:dead", "state.x:dead", "state has no parts. Write it as in state:dead,retrying."),
        ("args:42", "args:42", "args needs the name of an argument. Write it as in args.0:42."),
        ("kwargs..a:42", "kwargs..a:42", "kwargs needs the name of an argument."),
        ("queue:>x", "queue:>x", "queue cannot be compared by >. Write queue:…"),
        ("id:xyz", "xyz", "xyz is not the beginning of an id. An id has the digits 0-9 and a-f."),
        ("created:>2h", "2h", "2h is not a time. For 2h ago write -2h."),
        ("created:>soon", "soon", "soon is not a time. Write -2h (s, m, h, d, w), today,"),
        ("created:>2026-02-30", "2026-02-30", "2026-02-30 is not a time."),
        ("created:-2h", "-2h", "A moment needs > or < before it. For what came since then write created:>-2h."),
        ("created:>-999999999w", "999999999w", "999999999w is not a duration."),
        ("wait:30s", "30s", "A duration needs > or < before it. Write wait:>30s."),
        ("wait:>30", "30", "30 is not a duration. Write 500ms, 30s, 5m, 2h or 1d."),
    ],
)
def test_a_bad_term_is_named_with_its_place_and_a_remedy(text: str, part: str, message: str) -> None:
    with pytest.raises(FilterError) as caught:
        Search(parse(text), actor="test")
    assert str(caught.value).startswith(message)
    assert text[caught.value.start : caught.value.end] == part


def test_who_may_not_see_payloads_cannot_ask_for_them(names: dict[UUID, str], viewer: User, operator: User) -> None:
    for text in ("args.0:42", "-kwargs.password:x", "state:queued kwargs.a.b:1"):
        with pytest.raises(FilterError, match="needs the permission to view payloads"):
            Search(parse(text), actor=viewer)
        with pytest.raises(FilterError, match="needs the permission to view payloads"):
            matching(text, actor=viewer)
        assert Search(parse(text), actor=operator).page() is not None
    assert len(Search(parse("state:queued error:x"), actor=viewer).page().jobs) == 0


def test_times_from_now_are_written_out_to_be_kept(names: dict[UUID, str]) -> None:
    text = "state:dead created:>-2h,-1h -created:today wait:>30s"
    kept = pinned(text)
    now = timezone.now()
    assert kept.startswith(f'state:dead created:>"{now:%Y-}')
    assert kept.endswith(f" -created:{timezone.localdate()} wait:>30s")
    assert pinned(kept) == kept
    assert found(names, pinned("created:>-2h")) == found(names, "created:>-2h")
    assert pinned("state:dead") == "state:dead"

"""The transition table is complete, and `lifecycle` alone writes `Job.state`."""

import ast
from pathlib import Path

import pytest
from django.db import IntegrityError, transaction

from jobs.models import Job
from jobs.states import FINAL, TRANSITIONS, UNFINISHED, WAITING, JobState, Outcome, is_legal, sources_of
from tests.factories import make_job
from tests.support import PROJECT

pytestmark = pytest.mark.fast

# The verbs, the SQL that carries their batches, and the front door, which gives an unsaved job its first state.
WRITERS = ("jobs/lifecycle/", "jobs/statements/", "jobs/migrations/", "jobs/enqueueing.py")
JOB_WORDS = ("job", "Job", "jobs_job")


def test_every_state_says_where_it_may_go() -> None:
    assert set(TRANSITIONS) == set(JobState)
    assert all(reason for moves in TRANSITIONS.values() for reason in moves.values())


def test_states_are_either_final_or_unfinished() -> None:
    assert set(JobState) == FINAL | UNFINISHED
    assert {JobState.RUNNING} == UNFINISHED - WAITING


def test_only_a_claim_leads_to_running_and_only_a_run_to_success() -> None:
    assert sources_of("running") == {JobState.QUEUED}
    assert sources_of("succeeded") == {JobState.RUNNING}


def test_nothing_leaves_success_and_no_worker_moves_a_final_job() -> None:
    assert TRANSITIONS[JobState.SUCCEEDED] == {}
    assert not any(is_legal(state, "running") for state in FINAL)


def test_every_state_can_be_reached_and_every_unfinished_one_left() -> None:
    entrances = {JobState.QUEUED, JobState.SCHEDULED, JobState.BLOCKED}
    assert entrances | {target for moves in TRANSITIONS.values() for target in moves} == set(JobState)
    assert all(TRANSITIONS[state] for state in UNFINISHED)


def test_no_state_moves_to_itself() -> None:
    assert not any(is_legal(state, state) for state in JobState)


@pytest.mark.parametrize("word", ["waiting", "", "QUEUED"])
def test_a_word_that_is_no_state_is_refused(word: str) -> None:
    with pytest.raises(ValueError, match="not a valid JobState"):
        is_legal(word, "queued")


def test_the_names_in_the_database_are_final() -> None:
    assert sorted(JobState) == [
        "blocked", "cancelled", "dead", "queued", "retrying", "running", "scheduled", "succeeded",
    ]  # fmt: skip
    assert sorted(Outcome) == ["cancelled", "discarded", "error", "lost", "snoozed", "success", "timeout"]


# -- one writer ------------------------------------------------------------------------------------
def sources() -> list[Path]:
    files = [path for app in ("jobs", "dashboards", "demo", "queuehub") for path in (PROJECT / app).rglob("*.py")]
    return [path for path in files if not str(path.relative_to(PROJECT)).startswith((*WRITERS, "demo/broken"))]


@pytest.mark.lingers
def test_lifecycle_alone_writes_the_state_of_a_job() -> None:
    found = [
        f"{path.relative_to(PROJECT)}:{line}"
        for path in sources()
        if "state" in (text := path.read_text())
        for line in _writes_of_state(ast.parse(text))
    ]
    assert found == []


def test_lifecycle_alone_writes_sql_on_jobs() -> None:
    for path in sources():
        text = " ".join(path.read_text().split()).lower()
        for words in ("update jobs_job ", "insert into jobs_job ", "delete from jobs_job "):
            assert words not in text, path


@pytest.mark.parametrize(
    "code",
    [
        "job.state = 'dead'",
        "Job.objects.filter(id=1).update(state='dead')",
        "Job.objects.update(**{'state': 'dead'})",
        "setattr(job, 'state', 'dead')",
        "Job.objects.bulk_update(jobs, ['state'])",
    ],
)
def test_the_search_finds_each_way_to_write(code: str) -> None:
    assert list(_writes_of_state(ast.parse(code))) == [1]


def _writes_of_state(tree: ast.AST) -> list[int]:
    """Return the lines that look like a write of a job's state."""
    return [node.lineno for node in ast.walk(tree) if isinstance(node, ast.stmt | ast.expr) and _is_write(node)]


def _is_write(node: ast.AST) -> bool:
    if isinstance(node, ast.Assign | ast.AugAssign | ast.AnnAssign):
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        return any(_is_state_of_job(target) for target in targets)
    if not isinstance(node, ast.Call):
        return False
    name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    if name == "setattr":
        return any(_is_text(argument) for argument in node.args)
    if name not in {"update", "bulk_update", "update_or_create"} or not isinstance(node.func, ast.Attribute):
        return False
    if "Job" not in {item.id for item in ast.walk(node.func) if isinstance(item, ast.Name)}:
        return False
    is_keyword = any(keyword.arg == "state" for keyword in node.keywords)
    return is_keyword or any(_is_text(item) for item in ast.walk(node) if item is not node.func)


def _is_state_of_job(target: ast.expr) -> bool:
    is_state = isinstance(target, ast.Attribute) and target.attr == "state"
    # `self.state` is a process's own phase; a job is never called self outside its model
    return is_state and isinstance(target.value, ast.Name) and target.value.id in JOB_WORDS  # type: ignore[attr-defined]


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and node.value == "state"


# -- the database says the same --------------------------------------------------------------------
@pytest.mark.parametrize("state", sorted(JobState))
def test_a_legal_row_of_each_state_can_be_made(db: None, state: str) -> None:
    job = make_job(state)
    assert job.state == state
    assert job.is_final == (job.finished_at is not None)
    assert (job.claim is not None) == (state == "running")


@pytest.mark.parametrize(
    ("state", "columns"),
    [
        ("queued", {"state": "waiting"}),
        ("queued", {"state": "succeeded"}),
        ("queued", {"state": "running"}),
        ("queued", {"state": "scheduled"}),  # published_at is set
        ("queued", {"claim": 5}),
        ("queued", {"priority": 101}),
        ("queued", {"attempt": -1}),
        ("queued", {"max_attempts": 0}),
        ("running", {"claim": None}),
        ("running", {"state": "queued"}),
        ("succeeded", {"finished_at": None}),
        ("dead", {"state": "queued"}),
    ],
)
def test_the_database_refuses_an_illegal_row(db: None, state: str, columns: dict[str, object]) -> None:
    job = make_job(state)
    with pytest.raises(IntegrityError), transaction.atomic():
        Job.objects.filter(id=job.id).update(**columns)


@pytest.mark.parametrize("state", sorted(JobState))
def test_saving_a_job_again_is_refused(db: None, state: str) -> None:
    job = make_job(state)
    with pytest.raises(TypeError, match="verbs"):
        job.save()

"""RQ's and django-rq's own commands run ledger jobs: real processes, as a user types them."""

import pickle
import re
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import redis
from rq import Queue
from rq.registry import FailedJobRegistry
from rq.serializers import JSONSerializer

from jobs.lifecycle import operate
from jobs.models import Attempt, Job, Worker
from jobs.transports import get_transport
from queuehub.embedded import EmbeddedServer
from tests import tasks
from tests.rq import plain_functions
from tests.support import Processes, Running, eventually

RQ = str(Path(sys.executable).with_name("rq"))
Manage = Callable[..., Running]


@pytest.fixture(autouse=True)
def closed_transport() -> Any:
    yield
    get_transport().close()


@pytest.fixture
def stock(manage: Manage, processes: Processes, valkey: EmbeddedServer) -> Callable[..., Running]:
    """Start a stock RQ worker: `stock("--burst", "default")`."""

    def start(*arguments: str) -> Running:
        command = (RQ, "worker", "--url", valkey.url, "--serializer", "json", *arguments)
        return processes.start(*command, env={"PYTHONPATH": str(Path.cwd())})

    return start


def states() -> dict[str, int]:
    found: dict[str, int] = {}
    for state in Job.objects.values_list("state", flat=True):
        found[state] = found.get(state, 0) + 1
    return found


def finished(**expected: int) -> None:
    eventually(lambda: states() == expected, 30, "the jobs did not end as expected")


def test_a_stock_rq_worker_runs_ledger_jobs(stock: Callable[..., Running], redis_client: redis.Redis) -> None:
    good, urgent = tasks.add.enqueue(2, 3), tasks.add.using(priority=5).enqueue(1)
    bad, slow = tasks.fail.enqueue(), tasks.overrun.enqueue()
    later = tasks.wait_async.enqueue(0.01)
    assert stock("--burst", "default-high", "default").wait(60) == 0
    assert states() == {"succeeded": 3, "dead": 2}
    assert [tasks.add.get_result(each.id).return_value for each in (good, urgent)] == [5, 1]
    assert tasks.wait_async.get_result(later.id).return_value == 0.01
    outcomes = {str(each.job_id): each.outcome for each in Attempt.objects.all()}
    assert (outcomes[bad.id], outcomes[slow.id]) == ("error", "timeout")
    assert set(Worker.objects.values_list("state", flat=True)) == {"stopped"}
    assert redis_client.keys("rq:job:*") == []
    assert redis_client.keys("rq:failed:*") == []


def test_a_stock_worker_does_not_run_a_job_again_that_is_done(
    stock: Callable[..., Running], redis_client: redis.Redis, tmp_path: Path
) -> None:
    tasks.note.enqueue(str(tmp_path / "log"))
    (raw,) = redis_client.lrange("rq:queue:default", 0, -1)
    copy = redis_client.hgetall(f"rq:job:{raw.decode()}")
    assert stock("--burst", "default").wait(60) == 0
    redis_client.hset(f"rq:job:{raw.decode()}", mapping=copy)
    redis_client.rpush("rq:queue:default", raw)
    assert stock("--burst", "default").wait(60) == 0
    assert (tmp_path / "log").read_text() == "x\n"


def test_rqworker_runs_our_loop(manage: Manage, redis_client: redis.Redis) -> None:
    for number in range(200):
        tasks.add.enqueue(number)
    tasks.fail.enqueue()
    tasks.overrun.enqueue()
    tasks.wait_async.enqueue(0.01)
    assert manage("rqworker", "default", "--burst").wait(60) == 0
    assert states() == {"succeeded": 201, "dead": 2}
    (worker,) = Worker.objects.all()
    assert (worker.state, worker.queues) == ("stopped", ["default"])
    assert redis_client.keys("rq:job:*") == []
    assert redis_client.keys("rq:worker*") == []


@pytest.mark.one_ledger
def test_rqworker_ends_after_max_jobs_and_when_idle(manage: Manage) -> None:
    for number in range(12):
        tasks.add.enqueue(number)
    assert manage("rqworker", "--max-jobs", "5").wait(60) == 0
    assert states() == {"succeeded": 5, "queued": 7}
    assert manage("rqworker", "--max-idle-time", "1").wait(60) == 0
    assert states() == {"succeeded": 12}


@pytest.mark.one_ledger
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_rqworker_in_good_order(manage: Manage, number: signal.Signals) -> None:
    running = manage("rqworker", env={"PYTHONFAULTHANDLER": "1"})
    tasks.wait.enqueue(1)
    eventually(lambda: states() == {"running": 1}, 30)
    running.send(number)
    assert running.wait(30) == 0
    assert states() == {"succeeded": 1}
    assert list(Worker.objects.values_list("state", flat=True)) == ["stopped"]


@pytest.mark.one_ledger
@pytest.mark.usefixtures("brisk")
def test_a_hard_limit_kills_rqworker(manage: Manage) -> None:
    running = manage("rqworker")
    tasks.hold_the_interpreter.enqueue()
    assert running.wait(40) == -signal.SIGKILL
    assert states() == {"running": 1}


@pytest.mark.one_ledger
@pytest.mark.usefixtures("brisk")
def test_a_hard_limit_ends_a_run_of_a_stock_worker_and_not_the_worker(
    stock: Callable[..., Running], redis_client: redis.Redis
) -> None:
    tasks.hold_the_interpreter.enqueue()
    tasks.add.enqueue(1)
    assert stock("--burst", "default").wait(60) == 0
    assert states() == {"running": 1, "succeeded": 1}
    assert FailedJobRegistry("default", redis_client).get_job_count() == 1


def test_a_cancel_request_reaches_a_run_under_rqworker(manage: Manage) -> None:
    running = manage("rqworker")
    job = tasks.until_cancelled.enqueue()
    eventually(lambda: states() == {"running": 1}, 30)
    operate.cancel([job.id], actor="test")
    finished(succeeded=1)
    assert running.stop() == 0


@pytest.mark.one_ledger
def test_rqworker_pool_runs_ledger_and_plain_jobs_and_tools_show_its_workers(
    manage: Manage, processes: Processes, valkey: EmbeddedServer, redis_client: redis.Redis, tmp_path: Path
) -> None:
    settings = {"DJANGO_SETTINGS_MODULE": "tests.rq.settings"}
    running = manage("rqworker-pool", "--num-workers", "2", env=settings)
    for number in range(100):
        tasks.add.enqueue(number)
    queue = Queue("default", connection=redis_client, serializer=JSONSerializer)
    plain = queue.enqueue(plain_functions.add, 2, 3)
    refused = queue.enqueue(plain_functions.write, str(tmp_path / "hole"), "x")
    pickled = Queue("default", connection=redis_client).enqueue(plain_functions.add, 1)
    redis_client.rpush("rq:queue:default", b"\xff\xfe", pickle.dumps({"a": 1}), "nobody")
    finished(succeeded=100)
    assert eventually(lambda: plain.get_status() == "finished")
    assert plain.return_value() == 5
    failed = FailedJobRegistry("default", redis_client)
    eventually(lambda: set(failed.get_job_ids()) == {refused.id, pickled.id})
    assert not (tmp_path / "hole").exists()
    eventually(lambda: Worker.objects.living().count() == 2)
    names = {worker.id for worker in Worker.objects.living()}

    def are_shown() -> bool:  # a worker that has just started registers with RQ a moment later
        info = processes.start(RQ, "info", "--url", valkey.url, "--raw")
        assert info.wait() == 0
        return names <= set(re.findall(r"worker (\S+)", info.output))

    assert eventually(are_shown)
    stats = manage("rqstats")
    assert stats.wait() == 0
    assert "default" in stats.output
    assert running.stop(30) == 0
    assert list(Worker.objects.values_list("state", flat=True)) == ["stopped", "stopped"]


def test_rqworker_survives_a_flushed_and_a_damaged_redis(manage: Manage, redis_client: redis.Redis) -> None:
    running = manage("rqworker")
    for round_number in range(3):
        redis_client.set("rq:queue:default-high", "not a list")
        for number in range(20):
            tasks.add.enqueue(number)
        redis_client.flushall()
        finished(succeeded=20 * (round_number + 1))
    assert running.stop() == 0


def test_rqworker_runs_jobs_while_redis_is_away(manage: Manage, tmp_path: Path) -> None:
    for number in range(20):
        tasks.add.enqueue(number)
    running = manage("rqworker", "--burst", env={"REDIS_URL": f"unix://{tmp_path}/nobody.sock"})
    assert running.wait(60) == 0
    assert states() == {"succeeded": 20}

"""The options, the order and the memory of a run, and the register of peers."""

from pathlib import Path

import pytest

from benchmarks.peers import MEASURES, ONCE, PEERS, chosen
from benchmarks.plan import arguments, steps
from benchmarks.results import Results, figures, middle, single_run, spread
from tests.support import PROJECT

pytestmark = pytest.mark.fast

PLAN = {"seconds": 1, "sizes": [10]}


def test_every_peer_has_a_module_and_measures_that_exist() -> None:
    for peer in PEERS.values():
        folder = PROJECT / "benchmarks" / "peers"
        assert (folder / f"{peer.module}.py").exists() or (folder / peer.module / "client.cjs").exists()
        assert set(peer.measures) <= set(MEASURES)
        assert ("growth" in peer.measures) == (peer.store != "redis" and not peer.is_floor)


def test_peers_are_chosen_by_the_beginnings_of_their_names() -> None:
    assert list(chosen(["rq", "queuehub-s"])) == ["queuehub-sqlite", "rq-simple", "rq-worker"]
    with pytest.raises(ValueError, match="no peer is called 'kafka'"):
        chosen(["kafka"])


def test_repeats_take_turns_and_what_is_measured_once_comes_after_the_first() -> None:
    options = arguments(["--measures", "growth", "single", "bulk", "--repeats", "2"])
    found = [
        (repeat, measure, name)
        for repeat, measure, name, _ in steps(chosen(["django-q2", "huey"]), options.measures, options.repeats)
    ]
    rates = [(measure, name) for measure in ("single", "bulk") for name in ("huey", "django-q2")]
    assert found == [
        *((1, measure, name) for measure, name in rates),
        (1, "growth", "django-q2"),
        *((2, measure, name) for measure, name in rates),
    ]
    assert set(ONCE) < set(arguments([]).measures)


def test_a_run_goes_on_where_it_was_broken_off_if_the_plan_is_the_same(tmp_path: Path) -> None:
    results = Results(tmp_path / "run.json", PLAN, is_resumed=False)
    results.add(("huey", "bulk", 1), {"rate": 5.0})
    results.add(("huey", "bulk", 2), {"error": "it broke"})
    again = Results(tmp_path / "run.json", PLAN, is_resumed=True)
    assert again.has(("huey", "bulk", 1))
    assert not again.has(("huey", "single", 1))
    assert again.forget(lambda run: "error" in run) == 1
    assert not again.has(("huey", "bulk", 2))
    other = Results(tmp_path / "run.json", {**PLAN, "seconds": 2}, is_resumed=True)
    assert not other.has(("huey", "bulk", 1))


def test_failed_measurements_are_no_figures(tmp_path: Path) -> None:
    results = Results(tmp_path / "run.json", PLAN, is_resumed=False)
    results.add(("huey", "bulk", 1), {"error": "it broke"})
    assert middle(figures(results.value, "huey", "bulk")) is None
    assert single_run(results.value, "huey", "bulk") is None
    assert spread([]) == 0.0

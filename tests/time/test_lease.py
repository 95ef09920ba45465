"""The lease: one leader at a time, taken over when it is silent, given up at once."""

from threading import Barrier, Thread
from typing import Any

import pytest
from django.db import connections

from jobs.lease import LEASE_NAME, Lease
from jobs.models import SchedulerLease
from tests.conftest import LiveDatabase
from tests.support import eventually
from tests.time.conftest import ago


@pytest.mark.django_db
def test_the_first_leads_and_the_second_waits() -> None:
    first, second = Lease(), Lease()
    assert first.hold()
    assert not second.hold()
    assert first.hold()
    assert SchedulerLease.objects.get().term == 1


@pytest.mark.django_db
def test_a_released_lease_is_taken_at_once() -> None:
    first, second = Lease(), Lease()
    first.hold()
    first.release()
    assert second.hold()
    assert not first.hold()
    assert SchedulerLease.objects.get().term == 2


@pytest.mark.django_db
def test_an_expired_lease_is_taken_over_and_its_old_holder_notices() -> None:
    frozen, next_leader = Lease(), Lease()
    frozen.hold()
    SchedulerLease.objects.update(expires_at=ago(0.1))
    assert next_leader.hold()
    assert not frozen.hold()


@pytest.mark.django_db
def test_releasing_a_lease_that_another_holds_changes_nothing() -> None:
    frozen, next_leader = Lease(), Lease()
    frozen.hold()
    SchedulerLease.objects.update(expires_at=ago(0.1))
    next_leader.hold()
    frozen.release()
    assert next_leader.hold()


@pytest.mark.django_db
def test_a_leader_reads_often_and_writes_seldom(django_assert_num_queries: Any) -> None:
    lease = Lease()
    lease.hold()
    with django_assert_num_queries(1) as queries:
        assert lease.hold()
    assert queries[0]["sql"].startswith("SELECT")
    with django_assert_num_queries(0):
        assert lease.hold(max_age_seconds=60)


def test_a_lease_is_renewed_before_it_ends(live_database: LiveDatabase, settings: Any) -> None:
    settings.QUEUEHUB = {**settings.QUEUEHUB, "SCHEDULER_LEASE_SECONDS": 0.9}
    lease, other = Lease(), Lease()
    assert lease.hold()
    first_end = SchedulerLease.objects.get().expires_at

    def has_been_renewed() -> bool:
        assert lease.hold()
        assert not other.hold()
        return SchedulerLease.objects.get().renewed_at > first_end

    eventually(has_been_renewed)
    assert SchedulerLease.objects.get().term == 1


def test_of_many_candidates_one_leads(live_database: LiveDatabase) -> None:
    for _ in range(5):
        SchedulerLease.objects.filter(name=LEASE_NAME).delete()
        barrier, leases = Barrier(6), [Lease() for _ in range(6)]

        def race(lease: Lease, barrier: Barrier = barrier) -> None:
            barrier.wait()
            try:
                lease.hold()
            finally:
                connections.close_all()

        threads = [Thread(target=race, args=(lease,)) for lease in leases]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sum(lease.is_held for lease in leases) == 1

"""REDIS_URL in all its forms."""

import pytest
from django.core.exceptions import ImproperlyConfigured

from queuehub.brokers import rq_queue
from queuehub.databases import database

pytestmark = pytest.mark.fast


@pytest.mark.parametrize("url", ["redis://h:6379/0", "rediss://u:p@h/1", "unix:///run/redis.sock"])
def test_one_server_is_named_by_its_url(url):
    assert rq_queue(url) == {"URL": url, "SERIALIZER": "rq.serializers.JSONSerializer"}


def test_sentinels_are_named_with_their_service():
    queue = rq_queue("redis+sentinel://me:p%40ss@a.example.org:26379,b.example.org:26380/jobs/2")
    assert queue["SENTINELS"] == [("a.example.org", 26379), ("b.example.org", 26380)]
    assert (queue["MASTER_NAME"], queue["DB"]) == ("jobs", 2)
    assert (queue["USERNAME"], queue["PASSWORD"]) == ("me", "p@ss")


@pytest.mark.parametrize("rest", ["host/service", "host:port/service", "host:1", "host:1/service/x"])
def test_an_incomplete_sentinel_url_is_refused_with_the_right_form(rest):
    with pytest.raises(ImproperlyConfigured, match=r"redis\+sentinel://.*host:port"):
        rq_queue(f"redis+sentinel://{rest}")


@pytest.mark.parametrize("url", ["localhost:6379", "http://localhost", "redis:/localhost", ""])
def test_another_scheme_is_refused_with_those_that_there_are(url):
    with pytest.raises(ImproperlyConfigured, match="REDIS_URL must begin with one of redis://"):
        rq_queue(url)


@pytest.mark.parametrize("url", ["nonsense", "", "postgres://me:secret@host:99x/name", "me:secret@host/name"])
def test_a_database_that_cannot_be_is_refused_without_its_password(url, recwarn):
    with pytest.raises(ImproperlyConfigured, match="DATABASE_URL must be as postgres://user") as refused:
        database(url, pool_size=0)
    assert "secret" not in str(refused.value)
    assert not recwarn.list

"""The servers and processes that tests lean on, and the ASGI application on top of them."""

import sys
import urllib.error
import urllib.request

import pytest
from django.contrib.auth.models import User
from django.db import connection

from tests.leaks import Census
from tests.run_directory import ledger
from tests.support import Processes, eventually


@pytest.mark.django_db
def test_the_ledger_is_the_database_that_the_run_asks_for():
    assert connection.vendor == ledger()


def test_other_processes_see_rows_and_the_broker_of_the_test(manage, administrator, redis_client):
    redis_client.set("greeting", "hello")
    ended = manage(
        "shell",
        "-c",
        "import django_rq; from django.contrib.auth.models import User;"
        "print(User.objects.get().username, django_rq.get_connection().get('greeting'))",
    )
    assert ended.wait() == 0, ended.output
    assert "administrator b'hello'" in ended.output


@pytest.mark.django_db(transaction=True)
def test_rows_of_the_test_before_are_gone():
    assert not User.objects.exists()


@pytest.mark.one_ledger
def test_the_application_serves_static_files_and_forbids_inline_scripts(web_server):
    with urllib.request.urlopen(f"{web_server}/static/admin/css/base.css") as style:
        assert style.headers["Content-Type"].startswith("text/css")
        assert b"body" in style.read()
    with urllib.request.urlopen(f"{web_server}/admin/login/") as page:
        policy = page.headers["Content-Security-Policy"]
    assert "default-src 'self'" in policy
    assert "unsafe" not in policy


@pytest.mark.one_ledger
def test_a_host_that_is_not_ours_is_refused(web_server):
    request = urllib.request.Request(f"{web_server}/admin/login/", headers={"Host": "evil.example.org"})
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(request)
    refused.value.close()
    assert refused.value.code == 400


@pytest.mark.one_ledger
def test_a_browser_sees_the_admin(page):
    page.goto("/admin/")
    assert "Log in" in page.title()


def test_a_process_that_is_left_behind_is_noticed_even_as_an_orphan(processes: Processes):
    before = Census.take()
    leaver = processes.start("sh", "-c", f"{sys.executable} -c 'import time; time.sleep(60)' & sleep 0.2")
    leaver.wait()
    (found,) = before.newcomers()
    assert "time.sleep(60)" in found
    processes.kill()
    eventually(lambda: not before.newcomers())


@pytest.mark.parametrize(("is_ci", "code"), [("true", 1), ("", 0)])
def test_an_unlisted_skip_fails_a_run_in_ci_only(tmp_path, processes: Processes, is_ci, code):
    (tmp_path / "conftest.py").write_text("from tests import skips\npytest_configure = skips.register\n")
    (tmp_path / "test_it.py").write_text("import pytest\ndef test_it(): pytest.skip('no printer')\n")
    options = ["-c", "/dev/null", "--rootdir", str(tmp_path), "-p", "no:django", "-p", "no:valkey"]
    run = processes.start(sys.executable, "-m", "pytest", *options, str(tmp_path), env={"CI": is_ci})
    assert run.wait() == code, run.output
    assert ("UNLISTED SKIP test_it.py::test_it" in run.output) is bool(is_ci)

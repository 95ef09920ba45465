"""Notices go out as jobs: a signed post, a mail; what fails is tried again or is a dead letter."""

import base64
import hashlib
import hmac
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from django.core import mail

from jobs.models import Job
from jobs.notifications import gathering, notices
from jobs.notifications.signature import signed_headers
from jobs.testing import run_jobs
from tests.factories import fresh
from tests.notifications.conftest import SECRET
from tests.notifications.failing import fail
from tests.notifications.receiver import Receiver
from tests.support import free_port

pytestmark = pytest.mark.django_db


def told() -> Job:
    """Let a dead letter be told of, and return the job that did it."""
    fail("no luck; password=hunter22")
    gathering.gather()
    assert notices.send_due() == 1
    (job,) = run_jobs()
    return job


def test_a_dead_letter_is_posted_as_signed_json(hooked: Receiver) -> None:
    job = told()
    assert (job.state, job.result) == ("succeeded", {"status": 204})
    (got,) = hooked.posts
    assert got.path == "/hook?a=1"
    assert got.headers["content-type"] == "application/json"
    assert got.json == job.args[0]
    assert (got.json["version"], got.json["kind"], got.json["count"]) == (1, "dead_letters", 1)
    assert got.headers["webhook-id"] == str(job.id)
    assert abs(int(got.headers["webhook-timestamp"]) - time.time()) < 60
    signed = f"{job.id}.{got.headers['webhook-timestamp']}.".encode() + got.body
    wanted = base64.b64encode(hmac.new(SECRET.encode(), signed, hashlib.sha256).digest()).decode()
    assert got.headers["webhook-signature"] == f"v1,{wanted}"


def test_the_signature_is_that_of_the_specification() -> None:
    # the example of the Standard Webhooks project's own libraries
    headers = signed_headers(
        "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}', "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    )
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@pytest.mark.parametrize("status", [500, 503, 429, 408])
def test_a_receiver_in_trouble_is_asked_again_with_the_same_id(hooked: Receiver, status: int) -> None:
    hooked.status, hooked.body = status, b"try later"
    job = told()
    assert job.state == "retrying"
    assert job.attempts.get().message == f"the webhook answered {status}: try later"
    Job.objects.filter(id=job.id).update(state="queued", due_at=job.created_at)
    hooked.status = 200
    (again,) = run_jobs()
    assert (again.id, again.state) == (job.id, "succeeded")
    first, second = hooked.posts
    assert first.headers["webhook-id"] == second.headers["webhook-id"]


@pytest.mark.parametrize("status", [301, 302, 307, 308, 400, 401, 404, 410])
def test_a_receiver_that_refuses_or_sends_elsewhere_is_not_asked_again(hooked: Receiver, status: int) -> None:
    hooked.status, hooked.headers = status, {"Location": hooked.url}
    job = told()
    assert (job.state, len(hooked.posts)) == ("dead", 1)
    message = job.attempts.get().message
    assert str(status) in message
    assert ("redirects are not followed" in message) == (status < 400)


def test_a_host_inside_is_refused_unless_the_setting_names_it(notify: Callable[..., None], receiver: Receiver) -> None:
    notify(webhook_url=receiver.url, webhook_secret=SECRET)
    assert (told().state, receiver.posts) == ("dead", [])


def test_no_error_shows_the_path_of_the_webhook_or_the_secret(hooked: Receiver) -> None:
    hooked.status = 404
    job = told()
    shown = f"{job.args} {job.kwargs} {job.meta} {job.attempts.get().message} {job.attempts.get().traceback}"
    assert SECRET not in shown
    assert "hook?a=1" not in shown


def test_a_post_carries_no_secret_of_the_message(hooked: Receiver) -> None:
    told()
    assert b"hunter22" not in hooked.posts[0].body
    assert b"password=***" in hooked.posts[0].body


def test_a_notice_whose_way_was_taken_out_of_the_settings_is_given_up(hooked: Receiver, notify: Any) -> None:
    fail()
    gathering.gather()
    notices.send_due()
    notify()
    (job,) = run_jobs()
    assert (job.state, hooked.posts) == ("cancelled", [])


def test_a_mail_says_what_died_where_and_how_often(notify: Any, configure: Any, settings: Any) -> None:
    configure(NOTIFICATIONS={"emails": ["ops@example.com", "b@example.com"], "failure_url": "https://x/{fingerprint}"},
              ENVIRONMENT_NAME="PROD")  # fmt: skip
    settings.DEFAULT_FROM_EMAIL = "queuehub@example.com"
    job = told()
    assert job.state == "succeeded"
    (message,) = mail.outbox
    assert message.subject == "[QueueHub PROD] 1 dead letter: shop.Error in tests.engine.tasks.add"
    assert (message.from_email, message.to) == ("queuehub@example.com", ["ops@example.com", "b@example.com"])
    details = job.args[0]["details"]
    link = f"https://x/{details['fingerprint']}"
    for text in (details["job_id"], link, "message: no luck; password=***", "1 time(s)"):
        assert text in message.body
    assert message.extra_headers["Auto-Submitted"] == "auto-generated"


class Mailbox:
    """What an SMTP server keeps; it may refuse the first mails."""

    def __init__(self) -> None:
        self.received: list[Any] = []
        self.refuse_count = 0

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802 - the name is aiosmtpd's
        if self.refuse_count:
            self.refuse_count -= 1
            return "451 try again later"
        self.received.append(envelope)
        return "250 OK"


@pytest.fixture
def mailbox(settings: Any) -> Iterator[Mailbox]:
    """A real SMTP server on loopback, to which Django's mail goes."""
    box = Mailbox()
    controller = Controller(box, hostname="127.0.0.1", port=free_port())
    controller.start()
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", controller.port
    yield box
    controller.stop()


def test_a_mail_that_the_server_refuses_for_now_is_sent_later(mailbox: Mailbox, notify: Any) -> None:
    notify(emails=["ops@example.com"])
    mailbox.refuse_count = 1
    job = told()
    assert job.state == "retrying"
    Job.objects.filter(id=job.id).update(state="queued", due_at=job.created_at)
    run_jobs()
    assert fresh(job).state == "succeeded"
    (envelope,) = mailbox.received
    assert envelope.rcpt_tos == ["ops@example.com"]
    assert b"Subject: [QueueHub DEV] 1 dead letter: shop.Error in" in envelope.content

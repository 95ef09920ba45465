"""The made-up failures of the sample: 300 kinds, each with an exception class, a message and a place in the code."""

from dataclasses import dataclass
from functools import cache

from jobs.fingerprints import fingerprint_of, frame_of

_KINDS = (
    ("TimeoutError", "no answer from {host} within {number} ms"),
    ("ConnectionResetError", "[Errno 104] connection reset by peer: {host}:{number}"),
    ("ValueError", "invalid literal for int() with base 10: 'A-{number}'"),
    ("KeyError", "'customer_{number}'"),
    ("django.db.utils.IntegrityError", "duplicate key value violates unique constraint: Key (id)=({number})"),
    ("PermissionError", "[Errno 13] permission denied: '/srv/exports/{number}.csv'"),
    ("FileNotFoundError", "[Errno 2] no such file: '/srv/uploads/{number}.png'"),
    ("requests.exceptions.HTTPError", "502 Server Error: Bad Gateway for url: https://{host}/v1/{number}"),
    ("stripe.CardError", "your card was declined (request req_{number:08x})"),
    ("UnicodeDecodeError", "'utf-8' codec can't decode byte 0xe9 in position {number}"),
)
_PLACES = (
    ("shop/billing/charge.py", "charge_card"), ("shop/billing/refund.py", "refund"), ("shop/mail/send.py", "deliver"),
    ("shop/mail/render.py", "render_body"), ("shop/search/index.py", "index_document"),
    ("shop/search/query.py", "refresh"), ("shop/images/resize.py", "resize"), ("shop/images/store.py", "upload"),
    ("shop/imports/parse.py", "parse_row"), ("shop/imports/load.py", "load_batch"),
    ("shop/exports/write.py", "write_page"), ("shop/exports/sign.py", "sign_url"), ("shop/sync/pull.py", "pull"),
    ("shop/sync/push.py", "push"), ("shop/hooks/deliver.py", "post_hook"), ("shop/hooks/verify.py", "verify"),
    ("shop/users/merge.py", "merge_accounts"), ("shop/users/expire.py", "expire_trial"),
    ("shop/pricing/quote.py", "quote"), ("shop/pricing/rates.py", "fetch_rates"), ("shop/feeds/build.py", "build"),
    ("shop/feeds/fetch.py", "fetch"), ("shop/video/probe.py", "probe"), ("shop/video/encode.py", "encode"),
    ("shop/audit/check.py", "check"), ("shop/backup/dump.py", "dump"), ("shop/push/notify.py", "notify"),
    ("shop/sms/send.py", "send_code"), ("shop/crawl/visit.py", "visit"), ("shop/reports/sum.py", "sum_up"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Failure:
    """One way to fail; numbers in its texts differ from time to time, its fingerprint does not."""

    exception_class: str
    template: str
    path: str
    function: str

    def message(self, number: int) -> str:
        """Return the exception's text."""
        return self.template.format(number=number, host=f"api.{self.function.replace('_', '-')}.example.org")

    def traceback(self, number: int) -> str:
        """Return a traceback as Python prints it: two frames of the application, and one of a library below."""
        return (
            "Traceback (most recent call last):\n"
            '  File "/srv/app/shop/tasks.py", line 41, in run\n    return handler(**kwargs)\n'
            f'  File "/srv/app/{self.path}", line {20 + len(self.function)}, in {self.function}\n'
            "    answer = session.post(url, json=payload, timeout=TIMEOUT)\n"
            '  File "/srv/venv/lib/python3.13/site-packages/requests/sessions.py", line 637, in post\n'
            '    return self.request("POST", url, data=data, json=json, **kwargs)\n'
            f"{self.exception_class}: {self.message(number)}\n"
        )


FAILURES = [Failure(*kind, *place) for place in _PLACES for kind in _KINDS]


@cache
def name_of(failure: Failure) -> tuple[str, str]:
    """Return the fingerprint of a failure and its place, as a settlement would find them."""
    frame = frame_of(failure.traceback(0))
    return fingerprint_of(failure.exception_class, failure.message(0), frame), frame

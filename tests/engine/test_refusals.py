"""What is refused when a task is declared or a job enqueued, beyond arguments and plain columns."""

import pytest

from jobs import task
from jobs.errors import InvalidJob
from tests.tasks import add

pytestmark = pytest.mark.fast


async def _coroutine() -> None: ...


def test_an_async_task_cannot_be_atomic() -> None:
    with pytest.raises(InvalidJob, match=r"^atomic: .*plain function"):
        task(atomic=True)(_coroutine)


def test_a_queue_cannot_have_the_name_of_an_upper_band() -> None:
    with pytest.raises(InvalidJob, match=r"^queue_name: .*upper band"):
        add.using(queue_name="mail-high")

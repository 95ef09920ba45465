"""A wrong clock for one process: with this directory on PYTHONPATH, it is CLOCK_SHIFT_SECONDS ahead of the truth.

`time.time` and `datetime.now` are shifted, before anything else is imported. A datetime that C code made counts as an
instance of the shifted class, and the other way round.
"""

import datetime
import os
import time
from typing import Any

SHIFT_SECONDS = float(os.environ["CLOCK_SHIFT_SECONDS"])
_true_time, _TrueDatetime = time.time, datetime.datetime


class _AnyDatetime(type):
    def __instancecheck__(cls, value: object) -> bool:
        return isinstance(value, _TrueDatetime)


class _Shifted(_TrueDatetime, metaclass=_AnyDatetime):
    @classmethod
    def now(cls, tz: Any = None) -> Any:
        return super().now(tz) + datetime.timedelta(seconds=SHIFT_SECONDS)

    @classmethod
    def utcnow(cls) -> Any:
        return cls.now(datetime.UTC).replace(tzinfo=None)


# drivers know the class by its name
_Shifted.__name__ = _Shifted.__qualname__ = "datetime"
_Shifted.__module__ = "datetime"
datetime.datetime = _Shifted  # type: ignore[misc]
time.time = lambda: _true_time() + SHIFT_SECONDS

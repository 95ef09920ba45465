"""Brokers behind one seam; `base` is the contract."""

import os
from functools import lru_cache

from django.core.signals import setting_changed
from django.utils.module_loading import import_string

from jobs.conf import get_settings
from jobs.transports.base import Delivery, Message, Published, Transport

__all__ = ["Delivery", "Message", "Published", "Transport", "get_transport"]


@lru_cache(maxsize=1)
def _transport(path: str) -> Transport:
    made: Transport = import_string(path)(**get_settings().transport_options)
    return made


def get_transport() -> Transport:
    """Return this process's transport, as QUEUEHUB["TRANSPORT"] names it."""
    return _transport(get_settings().transport)


def _forget(*, setting: str, **_: object) -> None:
    if setting in {"QUEUEHUB", "RQ_QUEUES"}:
        _transport.cache_clear()


setting_changed.connect(_forget)
os.register_at_fork(after_in_child=_transport.cache_clear)

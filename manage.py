#!/usr/bin/env python
"""Runs the project's management commands."""

import os
import sys

from django.core.management import execute_from_command_line
from redis.exceptions import ConnectionError as RedisConnectionError

from queuehub.embedded import NO_SERVER, is_missing

NEED_REDIS = {
    "jobs_worker",
    "jobs_scheduler",
    "rqworker",
    "rqworker-pool",
    "rqstats",
    "rqenqueue",
    "rqscheduler",
}
USAGE = 2


def main() -> None:
    """Run the command; say in one line what to do where it needs Redis and there is none."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "queuehub.settings")
    is_for_help = {"--help", "-h"} & set(sys.argv)
    if sys.argv[1:2] and sys.argv[1] in NEED_REDIS and not is_for_help and is_missing():
        sys.exit(_without_server())
    try:
        execute_from_command_line(sys.argv)
    except RedisConnectionError:
        if is_missing():
            sys.exit(_without_server())
        raise


def _without_server() -> int:
    print(NO_SERVER, file=sys.stderr)
    return USAGE


if __name__ == "__main__":
    main()

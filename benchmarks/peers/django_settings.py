"""Settings of the Django projects that use django-tasks-db and django-q2, with what makes them fast."""

import os
from urllib.parse import parse_qs, urlsplit

_url = urlsplit(os.environ["DATABASE_URL"])

SECRET_KEY = os.environ["SECRET_KEY"]
USE_TZ = True
INSTALLED_APPS = ["django_tasks", "django_tasks_db", "django_q"]
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": _url.path[1:],
        "USER": _url.username,
        "HOST": parse_qs(_url.query)["host"][0],
        "CONN_MAX_AGE": None,
    }
}
TASKS = {"default": {"BACKEND": "django_tasks_db.DatabaseBackend"}}
LOGGING = {"version": 1, "root": {"level": "ERROR"}, "loggers": {"django_tasks": {"level": "ERROR"}}}
Q_CLUSTER = {
    "name": "benchmarks",
    "orm": "default",
    "workers": int(os.environ.get("BENCHMARK_WORKERS", "1")),
    "bulk": 100,
    "queue_limit": 200,
    "save_limit": 0,
    "recycle": 1_000_000,
    "timeout": 60,
    "retry": 120,
    "scheduler": False,
    "catch_up": False,
    "log_level": "ERROR",
}

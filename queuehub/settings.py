"""Django settings: from the environment, safe to star-import and to extend.

Without any variable, everything runs on this machine over plain HTTP: SQLite and an embedded Valkey, both in
the runtime directory. DATABASE_URL and REDIS_URL name real servers. QUEUEHUB_ENV=production selects
production, and nothing else does: then SECRET_KEY and ALLOWED_HOSTS must be set.
"""

import logging
from pathlib import Path

import django
import environ
from django.core.exceptions import ImproperlyConfigured

from queuehub.brokers import rq_queue
from queuehub.databases import database
from queuehub.embedded import redis_url, runtime_directory
from queuehub.environment import created, development_key, is_production

env = environ.Env()

BASE_DIR = Path(__file__).resolve().parent.parent
IS_PRODUCTION = is_production()
RUNTIME_DIR = runtime_directory()
if not (IS_PRODUCTION and env.str("DATABASE_URL", default="")):
    created(RUNTIME_DIR)

# -- security --------------------------------------------------------------------------------------
DEBUG = not IS_PRODUCTION and env.bool("DEBUG", default=False)
if IS_PRODUCTION:
    SECRET_KEY = env.str("SECRET_KEY", default="")
    ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=[])
    for name, value in {"SECRET_KEY": SECRET_KEY, "ALLOWED_HOSTS": ALLOWED_HOSTS}.items():
        if not value:
            raise ImproperlyConfigured(f"QUEUEHUB_ENV=production needs {name}: set it in the environment")
else:
    SECRET_KEY = env.str("SECRET_KEY", default="") or development_key(RUNTIME_DIR / "secret-key")
    ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["localhost", "127.0.0.1", "[::1]"])

CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[])
CSRF_COOKIE_SECURE = SESSION_COOKIE_SECURE = SECURE_SSL_REDIRECT = IS_PRODUCTION
# Probes and scrapers come from inside, over plain HTTP and by address.
SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^readyz$", r"^metrics$"]
SECURE_HSTS_SECONDS = env.int("SECURE_HSTS_SECONDS", default=365 * 86400) if IS_PRODUCTION else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = IS_PRODUCTION
SESSION_COOKIE_HTTPONLY = CSRF_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
SECURE_REFERRER_POLICY = SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
SECURE_CONTENT_TYPE_NOSNIFF = True
X_FRAME_OPTIONS = "DENY"
PERMISSIONS_POLICY = "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()"
# Larger requests are refused before they are read; the arguments that an operator may edit are smaller.
DATA_UPLOAD_MAX_MEMORY_SIZE = 2 * 1024 * 1024
SECURE_CSP = {
    "default-src": ["'self'"],
    "img-src": ["'self'", "data:"],
    "object-src": ["'none'"],
    "base-uri": ["'self'"],
    "form-action": ["'self'"],
    "frame-ancestors": ["'none'"],
}
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]
LOGIN_URL = "admin:login"

# -- applications ----------------------------------------------------------------------------------
INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "channels",
    "django_rq",
    "django_prometheus",
    *(["django_tasks"] if django.VERSION < (6, 0) else []),
    "jobs",
    "dashboards",
    *([] if IS_PRODUCTION else ["demo"]),
]
MIDDLEWARE = [
    "django_prometheus.middleware.PrometheusBeforeMiddleware",
    # headers first, for static files and refusals too
    "django.middleware.security.SecurityMiddleware",
    "django.middleware.csp.ContentSecurityPolicyMiddleware"
    if django.VERSION >= (6, 0)
    else "queuehub.middleware.ContentSecurityPolicyMiddleware",
    "queuehub.middleware.PermissionsPolicyMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "queuehub.middleware.StaticFilesMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "dashboards.guard.GuardMiddleware",
    "django_prometheus.middleware.PrometheusAfterMiddleware",
]
ROOT_URLCONF = "queuehub.urls"
ASGI_APPLICATION = "queuehub.asgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]
STATIC_URL = "static/"
STATIC_ROOT = env.str("STATIC_ROOT", default=None)
# Files come from the applications themselves, without a collectstatic before the first start.
WHITENOISE_USE_FINDERS = True
PROMETHEUS_EXPORT_MIGRATIONS = False

# -- ledger, transport, live updates ---------------------------------------------------------------
DATABASES = {
    "default": database(
        env.str("DATABASE_URL", default="") or f"sqlite:///{RUNTIME_DIR / 'queuehub.sqlite3'}",
        pool_size=env.int("QUEUEHUB_DATABASE_POOL_SIZE", default=0),
    ),
}
CACHES = {"default": {"BACKEND": "django_prometheus.cache.backends.locmem.LocMemCache"}}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
TASKS = {"default": {"BACKEND": "jobs.integrations.tasks_backend.JobsBackend"}}
RQ_QUEUES = {"default": rq_queue(redis_url())}
RQ = {"WORKER_CLASS": "jobs.integrations.rq_worker.QueueHubWorker"}
CHANNEL_LAYERS = {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}
CENSUS = {"task": "demo.tasks.census", "every_seconds": 30}
QUEUEHUB: dict[str, object] = {"ENVIRONMENT_NAME": "PROD" if IS_PRODUCTION else "DEV"}
if not IS_PRODUCTION:
    QUEUEHUB["SCHEDULES"] = {"demo-census": CENSUS}

# -- times and logs --------------------------------------------------------------------------------
USE_TZ = True
TIME_ZONE = "UTC"
LANGUAGE_CODE = "en-us"
logging.captureWarnings(True)  # Python would write them past the formatters
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "line": {
            "()": "jobs.log_lines.LineFormatter",
            "format": "{asctime} {levelname} {name} {message}",
            "style": "{",
        },
        "json": {"()": "jobs.log_lines.JsonFormatter"},
    },
    "handlers": {
        "console": {"class": "logging.StreamHandler", "formatter": env.str("LOG_FORMAT", default="line")},
    },
    "root": {"handlers": ["console"], "level": env.str("LOG_LEVEL", default="INFO")},
    "loggers": {
        "django": {"handlers": ["console"], "level": "INFO", "propagate": False},
        # DEBUG: a line for each enqueue, start and end of a job
        "jobs.job": {"level": env.str("LOG_JOBS_LEVEL", default="NOTSET")},
    },
}

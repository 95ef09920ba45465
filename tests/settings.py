"""Settings of the test run and of the processes that tests start: the project's own, on the run's own
servers.
"""

from tests import run_directory

run_directory.prepare()

from queuehub.settings import *  # noqa: E402, F403
from queuehub.settings import DATABASES, INSTALLED_APPS, RUNTIME_DIR  # noqa: E402

INSTALLED_APPS = [*INSTALLED_APPS, "tests"]

if run_directory.ledger() == "sqlite":
    # A file, because processes share it. Nothing here has to outlive a power failure.
    DATABASES["default"]["TEST"] = {"NAME": str(RUNTIME_DIR / "test.sqlite3")}
    DATABASES["default"]["OPTIONS"]["init_command"] += "PRAGMA synchronous=OFF;"

# The password hashers of production take a tenth of a second for each user.
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
LOGGING = {"version": 1, "disable_existing_loggers": False}

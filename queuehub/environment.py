"""What the settings take from the machine: the kind of environment, the runtime directory, the secret key."""

import os
import secrets
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

DEVELOPMENT = "development"
PRODUCTION = "production"


def is_production() -> bool:
    """Say whether QUEUEHUB_ENV selects production.

    Raises: ImproperlyConfigured for any other value than the two known, so that a slip of the pen cannot open
    a production site.
    """
    name = os.environ.get("QUEUEHUB_ENV") or DEVELOPMENT
    if name not in (DEVELOPMENT, PRODUCTION):
        raise ImproperlyConfigured(f"QUEUEHUB_ENV is {name!r}: set it to {PRODUCTION!r}, or leave it unset")
    return name == PRODUCTION


def created(directory: Path) -> Path:
    """Create the runtime directory if it is missing, and return it.

    Raises: ImproperlyConfigured if that is not allowed.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        remedy = "set QUEUEHUB_RUNTIME_DIR"
        raise ImproperlyConfigured(f"cannot create {directory} ({error.strerror}): {remedy}") from error
    return directory


def development_key(path: Path) -> str:
    """Return the secret key kept in the file `path`; the first call writes it, readable by its owner only."""
    if not path.exists():
        draft = path.with_name(f"{path.name}.{os.getpid()}")
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(secrets.token_urlsafe(50))
        # A link never replaces a key that another process has written in the meantime.
        try:
            os.link(draft, path)
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    return path.read_text()

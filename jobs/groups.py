"""Three groups of users, made once: viewer, operator, administrator. Afterwards they belong to whoever runs the site.

A listener to post_migrate and not a migration, because permissions exist only then, and because the users may live in
another database than the ledger.
"""

from typing import Any

from django.apps import AppConfig, apps
from django.contrib.auth.management import create_permissions
from django.db import connections, router
from django.db.models.signals import post_migrate

VIEWER = (
    "view_job", "view_attempt", "view_deadletter", "view_queue", "view_worker", "view_schedule", "view_auditentry",
)  # fmt: skip
OPERATOR = (
    *VIEWER, "view_payload", "retry_job", "edit_job", "cancel_job", "discard_job", "pause_queue", "run_schedule",
)  # fmt: skip
ADMINISTRATOR = (*OPERATOR, "manage_worker", "export_job")

GROUPS = {"viewer": VIEWER, "operator": OPERATOR, "administrator": ADMINISTRATOR}


def create_groups(config: AppConfig, using: str) -> None:
    """Create the groups that do not exist; an existing one is left as it is."""
    group_model, permission_model = apps.get_model("auth.Group"), apps.get_model("auth.Permission")
    # the tables are away when only this app is migrated
    tables = connections[using].introspection.table_names()
    if not router.allow_migrate_model(using, group_model) or group_model._meta.db_table not in tables:
        return
    missing = GROUPS.keys() - set(group_model.objects.using(using).values_list("name", flat=True))
    if not missing:
        return
    # does nothing where auth's own listener came first
    create_permissions(config, verbosity=0, using=using)
    for name in sorted(missing):
        group = group_model.objects.using(using).create(name=name)
        ours = permission_model.objects.using(using).filter(content_type__app_label=config.label)
        group.permissions.set(ours.filter(codename__in=GROUPS[name]))


def _after_migrate(*, sender: AppConfig, using: str, **_: Any) -> None:
    create_groups(sender, using)


def listen(config: AppConfig) -> None:
    """Create the groups after every migrate of this app, where Django's users are installed."""
    if apps.is_installed("django.contrib.auth"):
        post_migrate.connect(_after_migrate, sender=config, dispatch_uid="jobs.groups")

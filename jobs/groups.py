"""Three groups of users, made once: viewer, operator, administrator. Afterwards they belong to whoever runs the site.

They come with migration `jobs.0015_groups` and go with it. The work is done by a listener to post_migrate, because
permissions exist only then, and because the users may live in another database than the ledger, or be migrated later.
"""

from collections.abc import Iterable
from typing import Any

from django.apps import AppConfig, apps
from django.contrib.auth.management import create_permissions
from django.db import connections, router
from django.db.models.signals import post_migrate

VIEWER = (
    "view_job", "view_attempt", "view_deadletter", "view_queue", "view_worker", "view_schedule", "view_auditentry",
    "view_operation", "view_operationresult", "view_failuregroup",
)  # fmt: skip
OPERATOR = (
    *VIEWER, "view_payload", "retry_job", "edit_job", "cancel_job", "discard_job", "pause_queue", "run_schedule",
)  # fmt: skip
ADMINISTRATOR = (*OPERATOR, "manage_worker", "export_job")

GROUPS = {"QueueHub viewer": VIEWER, "QueueHub operator": OPERATOR, "QueueHub administrator": ADMINISTRATOR}

MIGRATION = ("jobs", "0015_groups")
_WITH_USERS = ("auth", "0001_initial")


def create_groups(config: AppConfig, using: str) -> None:
    """Create the groups that do not exist; an existing one is left as it is."""
    if not _has_users(using):
        return
    group_model, permission_model = apps.get_model("auth.Group"), apps.get_model("auth.Permission")
    missing = GROUPS.keys() - set(group_model.objects.using(using).values_list("name", flat=True))
    if not missing:
        return
    # does nothing where auth's own listener came first
    create_permissions(config, verbosity=0, using=using)
    for name in sorted(missing):
        group = group_model.objects.using(using).create(name=name)
        ours = permission_model.objects.using(using).filter(content_type__app_label=config.label)
        group.permissions.set(ours.filter(codename__in=GROUPS[name]))


def delete_groups(config: AppConfig, using: str) -> None:
    """Delete the groups, except one to which the site has given permissions of other apps."""
    if not _has_users(using):
        return
    for group in apps.get_model("auth.Group").objects.using(using).filter(name__in=GROUPS):
        if not group.permissions.exclude(content_type__app_label=config.label).exists():
            group.delete()


def _has_users(using: str) -> bool:
    # the tables are away when only this app is migrated
    group_model = apps.get_model("auth.Group")
    tables = connections[using].introspection.table_names()
    return bool(router.allow_migrate_model(using, group_model)) and group_model._meta.db_table in tables


def _after_migrate(
    *, sender: AppConfig, using: str, plan: Iterable[tuple[Any, bool]] | None = None, **_: Any
) -> None:
    """Act if this very run made or undid the migration, or the users' tables; a later run changes nothing.

    `flush` has no plan: it has emptied the tables.
    """
    if plan is None:
        return create_groups(sender, using)
    ways = {(migration.app_label, migration.name): is_backwards for migration, is_backwards in plan}
    if ways.get(MIGRATION):
        return delete_groups(sender, using)
    if MIGRATION in ways or ways.get(_WITH_USERS) is False:
        return create_groups(sender, using)
    return None


def listen(config: AppConfig) -> None:
    """Create the groups when this app is migrated, where Django's users are installed."""
    if apps.is_installed("django.contrib.auth"):
        post_migrate.connect(_after_migrate, sender=config, dispatch_uid="jobs.groups")

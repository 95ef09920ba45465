"""The composition root of the engine: plugs the layers together once Django is ready."""

from types import ModuleType

from django.apps import AppConfig


class JobsConfig(AppConfig):
    """The app `jobs`."""

    name = "jobs"
    default_auto_field = "django.db.models.BigAutoField"
    front_door: ModuleType
    """The module through which models enqueue; see models/job.py."""

    def ready(self) -> None:
        from jobs import checks, declared, dispatcher, enqueueing, groups, known_queues, live, logs
        from jobs.definition import registry
        from jobs.integrations import opentelemetry
        from jobs.notifications.start import start

        self.front_door = enqueueing
        dispatcher.listen()
        known_queues.listen()
        live.listen()
        logs.listen()
        checks.register()
        declared.listen(self)
        groups.listen(self)
        registry.autodiscover()
        start()
        opentelemetry.plug_in()

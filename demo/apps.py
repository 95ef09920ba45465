"""The demo as a Django app; installed outside production only."""

from django.apps import AppConfig


class DemoConfig(AppConfig):
    """Plugs the demo's listeners into the engine."""

    name = "demo"
    default_auto_field = "django.db.models.BigAutoField"
    verbose_name = "Demo"

    def ready(self) -> None:
        from demo import listeners  # imports models, which are not there before

        listeners.listen()

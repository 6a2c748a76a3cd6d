from django.apps import AppConfig
from django.utils.module_loading import autodiscover_modules
from django.utils.translation import gettext_lazy as _


class EventsConfig(AppConfig):
    name = "apps.events"
    verbose_name = _("Events")

    def ready(self) -> None:
        # Registers its checks by being imported.
        from apps.events import brokers, checks, personal  # noqa: F401, PLC0415

        brokers.register(brokers.Route("rabbitmq", "apps.events.brokers.rabbitmq.RabbitMQ", "RABBITMQ_URL"))
        personal.declare()
        autodiscover_modules("receivers")

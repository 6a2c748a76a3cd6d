"""manage.py consume_events QUEUE: hears facts from RabbitMQ and writes them down, as an example for other systems."""

from argparse import ArgumentParser
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError

from apps.events.brokers.consuming import consume
from apps.events.brokers.hearing import HearingCommand


class Command(HearingCommand):
    help = (
        "Hears facts from a queue of RabbitMQ and prints a line of JSON for each, without twins; says at the end"
        " whether any was missing or late. An example to copy; see docs/events.md."
    )
    broker = "RabbitMQ"

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("queue", help="made by declare_topology --queue")
        super().add_arguments(parser)

    def hear(
        self,
        take: Callable[[dict[str, Any]], None],
        *,
        queue: str = "",
        limit: int = 0,
        idle: float = 0,
        **options: Any,
    ) -> None:
        if not settings.RABBITMQ_URL:
            raise CommandError("Set RABBITMQ_URL first.")
        consume(settings.RABBITMQ_URL, queue, take, limit=limit, idle_seconds=idle)

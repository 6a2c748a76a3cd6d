"""manage.py consume_payments_events: hears facts about money from Kafka and writes them down, as an example."""

from argparse import ArgumentParser
from collections.abc import Callable
from typing import Any

from confluent_kafka import KafkaException
from django.conf import settings
from django.core.management.base import CommandError

from apps.events.brokers.hearing import HearingCommand
from apps.payments.kafka import consume


class Command(HearingCommand):
    help = (
        "Hears facts from the topic payments.events and prints a line of JSON for each, without twins; says at the"
        " end whether any was missing or late. An example to copy; see docs/events.md."
    )
    broker, errors = "Kafka", KafkaException

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--group", default="artel-example", help="whose place in the topic is kept")
        super().add_arguments(parser)

    def hear(
        self,
        take: Callable[[dict[str, Any]], None],
        *,
        group: str = "",
        limit: int = 0,
        idle: float = 0,
        **options: Any,
    ) -> None:
        if not settings.KAFKA_BOOTSTRAP_SERVERS:
            raise CommandError("Set KAFKA_BOOTSTRAP_SERVERS first.")
        consume(take, group=group, limit=limit, idle_seconds=idle)

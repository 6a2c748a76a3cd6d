"""manage.py consume_payments_events: hears facts about money from Kafka and writes them down, as an example."""

import json
from argparse import ArgumentParser
from collections import Counter
from typing import Any

from confluent_kafka import KafkaException
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from apps.events.brokers.heard import Heard, Verdict
from apps.payments.kafka import consume


class Command(BaseCommand):
    help = (
        "Hears facts from the topic payments.events and prints a line of JSON for each, without twins; says at the"
        " end whether any was missing or late. An example to copy; see docs/events.md."
    )
    requires_system_checks = []
    requires_migrations_checks = False

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--group", default="artel-example", help="whose place in the topic is kept")
        parser.add_argument("--limit", type=int, default=0, help="end after so many messages")
        parser.add_argument(
            "--idle", type=float, default=0, help="end when nothing has come for so many seconds"
        )

    def handle(self, *args: Any, group: str, limit: int, idle: float, **options: Any) -> None:
        if not settings.KAFKA_BOOTSTRAP_SERVERS:
            raise CommandError("Set KAFKA_BOOTSTRAP_SERVERS first.")
        heard, counts = Heard(), Counter[str]()

        def take(event: dict[str, Any]) -> None:
            verdict = heard.judge(event)
            counts[verdict] += 1
            if verdict != Verdict.DUPLICATE:
                self.stdout.write(json.dumps(event, ensure_ascii=False))

        try:
            consume(take, group=group, limit=limit, idle_seconds=idle)
        except KeyboardInterrupt:
            self.stderr.write("stopped")
        except KafkaException as error:
            raise CommandError(f"Kafka: {error}") from error
        told = ", ".join(f"{verdict}: {counts[verdict]}" for verdict in Verdict)
        self.stderr.write(f"Heard {counts.total()} messages; {told}.")

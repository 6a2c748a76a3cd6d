"""manage.py declare_topology: makes the exchanges in RabbitMQ, and queues for those who want facts."""

from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from apps.events.brokers import topology
from apps.events.brokers.rabbitmq import DEAD_EXCHANGE, EXCHANGE, declare_exchanges, declare_queue, opened


class Command(BaseCommand):
    help = (
        "Makes the exchanges in RabbitMQ, the queues of the platform's own and, if asked, a durable queue for one"
        " consumer; the same each time."
    )
    requires_system_checks = []
    requires_migrations_checks = False

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--queue", help="a quorum queue to make, with <queue>.dead beside it")
        parser.add_argument(
            "--types",
            nargs="+",
            default=["#"],
            help='what the queue hears, such as "crm.deal.#" (default: all)',
        )
        parser.add_argument(
            "--delivery-limit", type=int, default=20, help="so often a message is handed out again"
        )

    def handle(
        self, *args: Any, queue: str | None, types: list[str], delivery_limit: int, **options: Any
    ) -> None:
        if not settings.RABBITMQ_URL:
            raise CommandError("Set RABBITMQ_URL first.")
        try:
            with opened(settings.RABBITMQ_URL) as channel:
                declare_exchanges(channel)
                for declare in topology():
                    declare(channel)
                if queue:
                    declare_queue(channel, queue, types=types, delivery_limit=delivery_limit)
        # Of an address, of a connection, and of a queue that is there with other arguments.
        except Exception as error:
            raise CommandError(f"RabbitMQ: {error}") from error
        self.stdout.write(f"Exchanges: {EXCHANGE}, {DEAD_EXCHANGE}")
        if queue:
            self.stdout.write(f"Queue: {queue} hears {', '.join(types)}; given up: {queue}.dead")

"""What other systems are told, and how."""

from celery.schedules import crontab

from config.settings.environment import env

# Every fact goes to the topic exchange artel.events there; none goes anywhere while this is empty.
# amqp://user:password@host:5672/vhost, or amqps://
RABBITMQ_URL = env.str("RABBITMQ_URL", default="")
# Facts about money go to the topic payments.events there. Options of librdkafka besides, as JSON.
KAFKA_BOOTSTRAP_SERVERS = env.str("KAFKA_BOOTSTRAP_SERVERS", default="")
KAFKA_OPTIONS = env.json("KAFKA_OPTIONS", default={})

# Facts leave by https alone, and to the open internet alone. For development, and for receivers within one's own network,
# plain http may be allowed, and networks named ("10.1.0.0/16") to which they may go all the same.
WEBHOOK_ALLOW_HTTP = env.bool("WEBHOOK_ALLOW_HTTP", default=False)
WEBHOOK_ALLOWED_NETWORKS = env.list("WEBHOOK_ALLOWED_NETWORKS", default=[])
# A whole exchange, from the name to the end of the answer, takes no longer; whoever sends is given up well after that.
WEBHOOK_TIMEOUT_SECONDS = env.float("WEBHOOK_TIMEOUT_SECONDS", default=15.0)
WEBHOOK_LEASE_SECONDS = env.float("WEBHOOK_LEASE_SECONDS", default=60.0)
# So many calls one process makes at once, and so many of them to one receiver.
WEBHOOK_CONCURRENCY = env.int("WEBHOOK_CONCURRENCY", default=32)
WEBHOOK_CONCURRENCY_EACH = env.int("WEBHOOK_CONCURRENCY_EACH", default=4)
# What was sent is shown for so long; never longer than the facts themselves are kept.
WEBHOOK_KEPT_DAYS = env.int("WEBHOOK_KEPT_DAYS", default=30)

TELLING_BEAT = {
    # Two beats at once share what is due between them.
    "fire-due-reminders": {
        "task": "apps.notifications.tasks.fire_due_reminders",
        "schedule": 15.0,
        "options": {"expires": 15},
    },
    "expire-inboxes": {
        "task": "apps.notifications.tasks.expire_inboxes",
        "schedule": crontab(hour=4, minute=27),
    },
    "expire-webhook-deliveries": {
        "task": "apps.notifications.tasks.expire_webhook_deliveries",
        "schedule": crontab(minute=57),
    },
}

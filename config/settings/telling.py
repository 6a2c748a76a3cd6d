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

# Messages besides the inbox. For each channel: at most so many in so many seconds, of which so many are left for what is
# urgent; and at most so many in so many seconds to one address.
DELIVERY_RATES = {
    "EMAIL": ((env.int("EMAIL_PER_SECOND", default=20), 1.0, 2), (30, 60.0)),
    # What Telegram allows: 30 a second to all, 1 a second to one chat.
    "TELEGRAM": ((env.int("TELEGRAM_PER_SECOND", default=30), 1.0, 1), (1, 1.0)),
    "WEBHOOK": ((100, 1.0, 5), (10, 1.0)),
    "PUSH": ((100, 1.0, 5), (10, 1.0)),
}
# So many messages one process sends at once by each channel; a few more are for what is urgent.
DELIVERY_CONCURRENCY = env.int("DELIVERY_CONCURRENCY", default=16)
# Longer than any channel takes for one message; another process takes over after this.
DELIVERY_LEASE_SECONDS = env.float("DELIVERY_LEASE_SECONDS", default=60.0)
# What is not taken is tried again for so long.
DELIVERY_PATIENCE_HOURS = env.float("DELIVERY_PATIENCE_HOURS", default=24.0)
# What was sent is shown for so long.
DELIVERY_KEPT_DAYS = env.int("DELIVERY_KEPT_DAYS", default=90)
# Nobody has looked at what they were asked for so long: whoever asks is told.
ESCALATE_AFTER_HOURS = env.float("ESCALATE_AFTER_HOURS", default=24.0)
# The bot as which Telegram is written to, from @BotFather; nothing goes there while this is empty.
TELEGRAM_BOT_TOKEN = env.str("TELEGRAM_BOT_TOKEN", default="")
TELEGRAM_API_URL = env.str("TELEGRAM_API_URL", default="https://api.telegram.org")
# The key by which browsers know us (`manage.py make_push_key` makes one), and whom their makers write to about us.
VAPID_PRIVATE_KEY = env.str("VAPID_PRIVATE_KEY", default="")
VAPID_SUBJECT = env.str("VAPID_SUBJECT", default="")

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
    # What the broker has lost, and digests; the process that sends looks, too, and more often.
    "sweep-deliveries": {
        "task": "apps.notifications.tasks.sweep_deliveries",
        "schedule": 15.0,
        "options": {"expires": 15},
    },
    "escalate-ignored": {
        "task": "apps.notifications.tasks.escalate_ignored",
        "schedule": 300.0,
        "options": {"expires": 300},
    },
    "expire-deliveries": {
        "task": "apps.notifications.tasks.expire_deliveries",
        "schedule": crontab(hour=4, minute=37),
    },
    "expire-webhook-deliveries": {
        "task": "apps.notifications.tasks.expire_webhook_deliveries",
        "schedule": crontab(minute=57),
    },
}

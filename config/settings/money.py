"""Money through providers: where they are, how long they are waited for, and how often they are asked."""

from celery.schedules import crontab

from config.settings.environment import env

STRIPE_URL = env.str("STRIPE_URL", default="https://api.stripe.com")
YOOKASSA_URL = env.str("YOOKASSA_URL", default="https://api.yookassa.ru")
# Seconds for one exchange; a payer waits for the first one.
PROVIDER_TIMEOUT = env.float("PROVIDER_TIMEOUT", default=10.0)
# Whether accounts of demonstrations may be made and paid through: an invoice that is paid there has brought no money.
PAYMENT_DEMO = env.bool("PAYMENT_DEMO", default=False)
# So many pages by payment links, and messages of providers, an address may open in a minute.
PAYMENT_PAGE_VIEWS = env.int("PAYMENT_PAGE_VIEWS", default=120)
PAYMENT_WEBHOOKS = env.int("PAYMENT_WEBHOOKS", default=1200)
PAYMENT_LINK_MAX_DAYS = env.int("PAYMENT_LINK_MAX_DAYS", default=90)
# What providers told us stays as it came for so long; it may name who paid.
PROVIDER_MESSAGES_KEPT_DAYS = env.int("PROVIDER_MESSAGES_KEPT_DAYS", default=90)
# When people are told of invoices that are due: so many days after, below zero before. Whoever was sent an invoice by
# e-mail is reminded by e-mail; its owner, in the inbox.
INVOICE_REMINDER_DAYS = sorted(
    {int(days) for days in env.list("INVOICE_REMINDER_DAYS", default=["-3", "1", "7", "14"])}
)

MONEY_BEAT = {
    # Each takes what is due, and two of them share it.
    "ask-providers": {
        "task": "apps.payments.tasks.ask_providers",
        "schedule": 20.0,
        "options": {"expires": 20},
    },
    # Days begin at different times in different places; an hour late is early enough.
    "draw-recurring-invoices": {
        "task": "apps.payments.tasks.draw_recurring_invoices",
        "schedule": crontab(minute=9),
    },
    "remind-of-invoices": {"task": "apps.payments.tasks.remind_of_invoices", "schedule": crontab(minute=14)},
    "expire-provider-messages": {
        "task": "apps.payments.tasks.expire_provider_messages",
        "schedule": crontab(hour=3, minute=51),
    },
}

"""Pages of the admin about telling others."""

from apps.notifications.admin import webhooks  # noqa: F401 - registers itself

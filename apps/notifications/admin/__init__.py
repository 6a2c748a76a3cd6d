"""Pages of the admin about what people have to do, and about telling others."""

from apps.notifications.admin import cards, feeds, messages, tasks, verdicts, webhooks

__all__ = ["cards", "feeds", "messages", "tasks", "verdicts", "webhooks"]

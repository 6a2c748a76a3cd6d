"""What belongs to the project as a whole: settings, addresses, servers, the admin site."""

from config.celery import app as celery_app

__all__ = ["celery_app"]

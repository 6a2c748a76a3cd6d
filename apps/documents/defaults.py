"""
The kinds of documents that a new installation begins with.

They are rows, not texts of the platform: written once, in the installation's language, and the company's own.
"""

from typing import Any

from django.apps import AppConfig
from django.apps import apps as installed
from django.apps.registry import Apps
from django.conf import settings
from django.db import router
from django.utils.translation import gettext, gettext_noop, override

# Code, name, pattern of numbers, days that the law wants such papers kept, whether they are signed.
# Five years: article 29 of the Russian act 402-FZ on accounting.
TYPES = [
    ("file", gettext_noop("File"), "", None, False),
    ("contract", gettext_noop("Contract"), "C-{year}-{number:05}", 5 * 365, True),
    ("act", gettext_noop("Act"), "A-{year}-{number:05}", 5 * 365, True),
    ("invoice", gettext_noop("Invoice"), "", 5 * 365, False),
    ("quote", gettext_noop("Quote"), "", None, False),
    ("evidence", gettext_noop("Evidence of acceptance"), "", None, False),
]


def ensure(app_config: AppConfig, using: str, apps: Apps = installed, **kwargs: Any) -> None:
    """
    Make what is missing altogether, after migrations; what the company has changed stays as it is.

    A receiver of `post_migrate` rather than a migration, so that it also holds after a flush.

    :param apps: the state that migrations ended in; a flush, which tells none, has the installed one
    """
    try:
        types = apps.get_model("documents", "DocumentType")
    except LookupError:
        # The app was migrated back to nothing.
        return
    if not router.allow_migrate_model(using, types) or types.objects.using(using).exists():
        return
    with override(settings.LANGUAGE_CODE):
        types.objects.using(using).bulk_create(
            types(
                code=code,
                name=gettext(name),
                number_pattern=pattern,
                retention_days=days,
                needs_signature=needs_signature,
            )
            for code, name, pattern, days, needs_signature in TYPES
        )

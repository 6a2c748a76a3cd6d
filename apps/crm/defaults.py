"""
What a new installation sells with until somebody says otherwise: a pipeline and reasons for losing.

They are rows, not texts of the platform: written once, in the installation's language, and the company's own.
"""

from typing import Any

from django.apps import AppConfig
from django.apps import apps as installed
from django.apps.registry import Apps
from django.conf import settings
from django.db import router, transaction
from django.utils.translation import gettext, gettext_noop, override

# Name, kind, probability in percent, days until a deal that stands there counts as stale.
STAGES = [
    (gettext_noop("Prospecting"), "OPEN", 10, 14),
    (gettext_noop("Engaging"), "OPEN", 30, 30),
    (gettext_noop("Proposal"), "OPEN", 50, 21),
    (gettext_noop("Negotiation"), "OPEN", 75, 14),
    (gettext_noop("Won"), "WON", 100, None),
    (gettext_noop("Lost"), "LOST", 0, None),
]
LOST_REASONS = [
    gettext_noop("Price"),
    gettext_noop("Competitor"),
    gettext_noop("No budget"),
    gettext_noop("No answer"),
    gettext_noop("Other"),
]
UNKNOWN_REASON = gettext_noop("Not stated")
SOURCES = [
    gettext_noop("Web site"),
    gettext_noop("Call"),
    gettext_noop("Recommendation"),
    gettext_noop("Fair"),
]
DISQUALIFY_REASONS = [
    gettext_noop("No need"),
    gettext_noop("No budget"),
    gettext_noop("Not reached"),
    gettext_noop("Spam"),
]


def ensure(
    app_config: AppConfig,
    using: str,
    apps: Apps = installed,
    **kwargs: Any,
) -> None:
    """
    Make what is missing altogether, after migrations; what the company has changed stays as it is.

    A receiver of `post_migrate` rather than a migration, so that it also holds after a flush.

    :param apps: the state that migrations ended in; a flush, which tells none, has the installed one
    """
    try:
        pipelines, stages, reasons = (apps.get_model("crm", n) for n in ["Pipeline", "Stage", "LostReason"])
    except LookupError:
        # The app was migrated back to nothing.
        return
    if not router.allow_migrate_model(using, pipelines):
        return
    with transaction.atomic(using=using), override(settings.LANGUAGE_CODE):
        if not pipelines.objects.using(using).exists():
            pipeline = pipelines.objects.using(using).create(name=gettext("Sales"), is_default=True)
            stages.objects.using(using).bulk_create(
                stages(
                    pipeline=pipeline,
                    name=gettext(name),
                    kind=kind,
                    position=position,
                    probability=probability,
                    stale_after_days=stale_after_days,
                )
                for position, (name, kind, probability, stale_after_days) in enumerate(STAGES)
            )
        if not reasons.objects.using(using).filter(is_unknown=True).exists():
            is_new = not reasons.objects.using(using).exists()
            reasons.objects.using(using).create(name=gettext(UNKNOWN_REASON), is_unknown=True)
            if is_new:
                reasons.objects.using(using).bulk_create(reasons(name=gettext(name)) for name in LOST_REASONS)
        _ensure_words(using, apps, "Source", SOURCES)
        _ensure_words(using, apps, "DisqualifyReason", DISQUALIFY_REASONS)


def _ensure_words(using: str, apps: Apps, model_name: str, names: list[str]) -> None:
    try:
        rows = apps.get_model("crm", model_name).objects.using(using)
    except LookupError:
        # Migrated back to before there were leads.
        return
    if not rows.exists():
        rows.bulk_create(rows.model(name=gettext(name)) for name in names)

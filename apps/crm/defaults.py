"""What a new installation sells with until somebody says otherwise: a pipeline and reasons for losing."""

from typing import Any

from django.apps import AppConfig
from django.apps import apps as installed
from django.apps.registry import Apps
from django.db import router, transaction

# Name, kind, probability in percent, days until a deal that stands there counts as stale.
STAGES = [
    ("Prospecting", "OPEN", 10, 14),
    ("Engaging", "OPEN", 30, 30),
    ("Proposal", "OPEN", 50, 21),
    ("Negotiation", "OPEN", 75, 14),
    ("Won", "WON", 100, None),
    ("Lost", "LOST", 0, None),
]
LOST_REASONS = ["Price", "Competitor", "No budget", "No answer", "Other"]
UNKNOWN_REASON = "Not stated"


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
    with transaction.atomic(using=using):
        if not pipelines.objects.using(using).exists():
            pipeline = pipelines.objects.using(using).create(name="Sales", is_default=True)
            stages.objects.using(using).bulk_create(
                stages(
                    pipeline=pipeline,
                    name=name,
                    kind=kind,
                    position=position,
                    probability=probability,
                    stale_after_days=stale_after_days,
                )
                for position, (name, kind, probability, stale_after_days) in enumerate(STAGES)
            )
        if not reasons.objects.using(using).filter(is_unknown=True).exists():
            is_new = not reasons.objects.using(using).exists()
            reasons.objects.using(using).create(name=UNKNOWN_REASON, is_unknown=True)
            if is_new:
                reasons.objects.using(using).bulk_create(reasons(name=name) for name in LOST_REASONS)

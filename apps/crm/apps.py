from django.apps import AppConfig
from django.db.models.signals import post_migrate
from django.utils.translation import gettext_lazy as _


class CrmConfig(AppConfig):
    name = "apps.crm"
    verbose_name = _("Customers and deals")

    def ready(self) -> None:
        from apps.common.api.problems import register_status  # noqa: PLC0415 - apps first
        from apps.common.constraints import register_constraint  # noqa: PLC0415 - apps first
        from apps.crm import (  # noqa: PLC0415 - models are loaded by now
            bulk,
            defaults,
            documents,
            drive,
            exports,
            history,
            letters,
            own_criteria,
            personal,
            personal_jobs,
            rates,
        )
        from apps.crm.automation import jobs as automation_jobs  # noqa: PLC0415
        from apps.crm.board.stream import BoardStream  # noqa: PLC0415
        from apps.crm.duplicates import jobs as duplicate_jobs  # noqa: PLC0415
        from apps.crm.imports import jobs  # noqa: PLC0415
        from apps.crm.models import Company, Deal, Person  # noqa: PLC0415
        from apps.crm.reports import jobs as report_jobs  # noqa: PLC0415
        from apps.crm.services import merge_rules  # noqa: PLC0415
        from apps.crm.timeline import telling  # noqa: PLC0415
        from apps.crm.timeline.stream import TimelineStream  # noqa: PLC0415
        from apps.documents import belonging  # noqa: PLC0415
        from apps.events import streams  # noqa: PLC0415

        # Constraints that models do not declare, because Django cannot express them.
        register_constraint(
            "deal_stage_agrees", _("The stage does not agree with the deal's pipeline and state.")
        )
        register_constraint("company_parent_cycle", _("A company cannot be part of itself."))
        register_constraint(
            "crm_row_merged", _("This has been merged into another meanwhile. Choose that one.")
        )
        register_constraint("quote_frozen", _("A quote that was sent is never changed."))
        register_status(409, "merged", "crm_row_merged")
        register_status(409, "applied", "erased", "plan_changed")
        register_status(422, "contract_unmet")
        post_migrate.connect(defaults.ensure, sender=self)
        register_constraint(
            "crm_activity_record", _("Letters and events are records, which stay as they are.")
        )
        post_migrate.connect(rates.tell_database, sender=self)
        streams.register("board", BoardStream())
        for model in (Deal, Company, Person):
            streams.register(str(model._meta.model_name), TimelineStream(model))
        for label, icon in (("deal", "handshake"), ("company", "apartment"), ("person", "person")):
            belonging.register(f"crm.{label}", icon=icon)
        jobs.register_kinds()
        duplicate_jobs.register_kinds()
        report_jobs.register_kinds()
        automation_jobs.register_kinds()
        history.declare()
        bulk.declare()
        exports.declare()
        documents.declare()
        drive.declare()
        merge_rules.declare()
        telling.declare()
        own_criteria.declare()
        letters.declare()
        personal.declare()
        personal_jobs.register_kinds()

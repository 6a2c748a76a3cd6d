from django.apps import AppConfig
from django.db.models.signals import post_migrate
from django.utils.translation import gettext_lazy as _


class CrmConfig(AppConfig):
    name = "apps.crm"
    verbose_name = _("Customers and deals")

    def ready(self) -> None:
        from apps.common.constraints import register_constraint  # noqa: PLC0415 - apps first
        from apps.crm import bulk, defaults, exports, history  # noqa: PLC0415 - models are loaded by now
        from apps.crm.board.stream import BoardStream  # noqa: PLC0415
        from apps.crm.imports import jobs  # noqa: PLC0415
        from apps.events import streams  # noqa: PLC0415

        # Constraints that models do not declare, because Django cannot express them.
        register_constraint(
            "deal_stage_agrees", _("The stage does not agree with the deal's pipeline and state.")
        )
        register_constraint("company_parent_cycle", _("A company cannot be part of itself."))
        post_migrate.connect(defaults.ensure, sender=self)
        streams.register("board", BoardStream())
        jobs.register_kinds()
        history.declare()
        bulk.declare()
        exports.declare()

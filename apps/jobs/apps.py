from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class JobsConfig(AppConfig):
    name = "apps.jobs"
    verbose_name = _("Jobs")

    def ready(self) -> None:
        from apps.common.api.problems import register_status  # noqa: PLC0415
        from apps.events import streams  # noqa: PLC0415
        from apps.jobs import personal  # noqa: PLC0415 - models are loaded by now
        from apps.jobs.streams import JobStream  # noqa: PLC0415

        personal.declare()
        streams.register("job", JobStream())
        register_status(409, "job_finished", "job_not_failed")

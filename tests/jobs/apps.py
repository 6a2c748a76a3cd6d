from django.apps import AppConfig


class TestJobsConfig(AppConfig):
    """Lets the processes that a test starts know the kinds of work that only tests do."""

    name = "tests.jobs"
    label = "tests_jobs"

    def ready(self) -> None:
        from tests.jobs.kinds import register_all

        register_all()

from typing import Any

from django.apps import AppConfig
from django.db.models.signals import post_migrate
from django.utils.translation import gettext_lazy as _


class AccountsConfig(AppConfig):
    name = "apps.accounts"
    verbose_name = _("People and access")

    def ready(self) -> None:
        from django.contrib.auth.signals import user_logged_out  # noqa: PLC0415 - apps first

        from apps.accounts import checks, personal, receivers  # noqa: F401, PLC0415 - register themselves
        from apps.accounts.entering import arrivals, limits  # noqa: F401, PLC0415 - registers itself
        from apps.common.constraints import register_constraint  # noqa: PLC0415 - apps first

        register_constraint("team_cycle", _("A team cannot be part of itself."))
        register_constraint("auth_event_append_only", _("Access events are only ever added."))
        personal.declare()
        limits.install()
        user_logged_out.connect(_end_tokens, dispatch_uid="accounts.end_tokens")
        post_migrate.connect(_sync_roles, sender=self, dispatch_uid="accounts.sync_roles")


def _end_tokens(request: Any, **kwargs: Any) -> None:
    """End the access tokens that were made in a session, with it."""
    from apps.accounts.cuts import cut_session  # noqa: PLC0415 - apps first

    session_key = getattr(getattr(request, "session", None), "session_key", None)
    if session_key:
        cut_session(session_key)


def _sync_roles(using: str, plan: Any = (), **kwargs: Any) -> None:
    """Offer the permissions of all installed apps to the ready-made roles."""
    from apps.accounts.services import sync_roles  # noqa: PLC0415 - apps first

    # A migration backwards may have left no table to write to.
    if not any(backwards for _migration, backwards in plan):
        sync_roles()

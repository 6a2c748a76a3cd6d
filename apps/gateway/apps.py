from typing import Any

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class GatewayConfig(AppConfig):
    name = "apps.gateway"
    verbose_name = _("Gateway")

    def ready(self) -> None:
        from django.contrib.auth.signals import user_logged_out  # noqa: PLC0415

        user_logged_out.connect(_tell_sockets, dispatch_uid="gateway.tell_sockets")


def _tell_sockets(user: Any, **kwargs: Any) -> None:
    """Make the sockets of somebody who logs out ask whether their session is still there."""
    from apps.accounts.faces.sockets import access_stream  # noqa: PLC0415
    from apps.events.wakeup import poke_stream  # noqa: PLC0415

    if user is not None:
        poke_stream(access_stream(user.pk))

"""HTTP and WebSocket over ASGI."""

import os
from typing import Any, cast

from channels.routing import ProtocolTypeRouter, URLRouter
from channels.sessions import CookieMiddleware
from django.core.asgi import get_asgi_application
from django.urls import path

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.base")
# Each request has a thread of its own here: what a thread keeps open, no other request would use again.
os.environ.setdefault("DATABASE_IS_POOLED", "1")
# Loads the apps, which the imports below need.
django_application = get_asgi_application()

from apps.gateway.consumers import LiveConsumer  # noqa: E402
from apps.gateway.limits import App, BodyLimit  # noqa: E402


async def lifespan(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Let the server start and stop: what the sockets need begins with the first of them."""
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return


async def nowhere(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Refuse a socket at an address that has none."""
    await receive()
    await send({"type": "websocket.close"})


# Django's routes are typed for views.
route: Any = path
sockets = URLRouter(
    [route("ws/", LiveConsumer.as_asgi()), route("<path:elsewhere>", nowhere), route("", nowhere)]
)
application = ProtocolTypeRouter(
    {
        "http": BodyLimit(cast(App, django_application)),
        "websocket": CookieMiddleware(sockets),
        "lifespan": lifespan,
    }
)

"""Which scopes there are, and which of them an application may ask for."""

from functools import cache
from typing import Any

from oauth2_provider.scopes import BaseScopes

from apps.accounts import access
from apps.accounts.models import Application
from apps.accounts.oauth.words import all_scopes
from apps.accounts.scopes import ALL, OPENID_SCOPES, READ


@cache
def known_scopes() -> tuple[str, ...]:
    """List every scope there is; apps do not come and go while we run."""
    return (*sorted(OPENID_SCOPES), ALL, READ, *access.all_permissions())


class PolicyScopes(BaseScopes):  # type: ignore[misc]
    """Scopes of OpenID Connect, and those of API keys, with the same meaning."""

    def get_all_scopes(self) -> dict[str, Any]:
        return all_scopes()

    def get_available_scopes(
        self, application: Application | None = None, request: Any = None, *args: Any, **kwargs: Any
    ) -> list[str]:
        if application is None:
            return [*known_scopes()]
        return list(application.scopes)

    def get_default_scopes(
        self, application: Application | None = None, request: Any = None, *args: Any, **kwargs: Any
    ) -> list[str]:
        # Who the person is, is told only to whoever asks for it.
        return [name for name in self.get_available_scopes(application) if name not in OPENID_SCOPES]

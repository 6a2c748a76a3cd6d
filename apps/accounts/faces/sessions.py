"""People who come to the API with the session of a browser."""

from typing import Any

from django.utils.translation import gettext_lazy as _
from rest_framework import exceptions, status
from rest_framework.request import Request

from apps.accounts.second_factor import person_behind, step_before
from apps.common.api.authentication import BrowserSession


class SecondFactorRequired(exceptions.APIException):
    """Somebody in a browser needs a second factor, and this session began without it."""

    status_code = status.HTTP_403_FORBIDDEN
    default_code = "mfa_required"
    default_detail = _("Your role requires a second factor. Set one up, or show it, on the page “Security”.")


class PersonSession(BrowserSession):
    """The session cookie of somebody who has shown all that their roles require."""

    def authenticate(self, request: Request) -> tuple[Any, Any] | None:
        found = super().authenticate(request)
        person = person_behind(found[0]) if found is not None else None
        if person is not None and step_before(request._request.session, person):
            raise SecondFactorRequired
        return found

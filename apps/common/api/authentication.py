"""How a caller of the API is known."""

from django.http import HttpRequest
from rest_framework.authentication import SessionAuthentication
from rest_framework.request import Request


class BrowserSession(SessionAuthentication):
    """The session cookie of somebody who is logged in; a caller without one is told 401, not 403."""

    def authenticate_header(self, request: Request | HttpRequest) -> str:
        return "Session"

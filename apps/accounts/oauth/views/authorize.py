"""Where an application sends people, to be let in by them."""

import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urlsplit

from django.conf import settings
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils import translation
from django.utils.decorators import method_decorator
from django.views import View
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt, csrf_protect
from oauth2_provider.exceptions import OAuthToolkitError
from oauth2_provider.http import OAuth2ResponseRedirect
from oauth2_provider.oauth2_backends import _add_iss_to_redirect
from oauth2_provider.views.mixins import OAuthLibMixin
from oauthlib.common import add_params_to_uri, urldecode
from oauthlib.oauth2.rfc6749.errors import (
    AccessDeniedError,
    FatalClientError,
    InvalidRequestError,
    OAuth2Error,
)
from oauthlib.openid.connect.core.exceptions import ConsentRequired, InteractionRequired, LoginRequired

from apps.accounts import services, tokens
from apps.accounts.faces.guard import lead_to_second_factor
from apps.accounts.models import Application, User
from apps.accounts.models.oauth import is_loopback
from apps.accounts.oauth import session
from apps.accounts.oauth.words import in_words
from apps.accounts.second_factor import Step, person_behind, step_before

_LONGEST_AGE = 10**9


@dataclass
class Asked:
    """What an application asks for, once it is clear which one it is and where people are sent back to."""

    scopes: list[str]
    credentials: dict[str, Any]

    @property
    def request(self) -> Any:
        """What oauthlib made of the request."""
        return self.credentials["request"]

    @property
    def application(self) -> Application:
        application: Application = self.request.client
        return application

    @property
    def prompts(self) -> set[str]:
        return set((self.request.prompt or "").split())

    @property
    def max_age(self) -> int | None:
        """:raises InvalidRequestError: it is no number of seconds"""
        text = self.request.max_age
        if text is None:
            return None
        if not (text.isascii() and text.isdigit() and int(text) < _LONGEST_AGE):
            raise InvalidRequestError(request=self.request, description="max_age is a number of seconds.")
        return int(text)


def redirect_to(uri: str) -> HttpResponse:
    """Send somebody to where an application has registered that it may."""
    response: HttpResponse = OAuth2ResponseRedirect(uri, ["https", "http"])
    return response


@method_decorator(csrf_exempt, name="dispatch")
@method_decorator(never_cache, name="dispatch")
class AuthorizeView(OAuthLibMixin, View):  # type: ignore[misc]
    """
    Lets an application in for somebody who is logged in and has agreed.

    What is asked for stands in the address from the first page to the last, and is checked each time.
    """

    public = "sends whoever is not logged in to do that first"
    # An application that asks silently is told so, in place of the person.
    asks_for_second_factor = True

    def get(self, request: HttpRequest) -> HttpResponse:
        return self._serve(request)

    def post(self, request: HttpRequest) -> HttpResponse:
        if "decision" in request.POST:
            return self._decide(request)
        # An application may send what it asks for as a form; cookies come only with what is opened by a link.
        return HttpResponseRedirect(f"{request.path}?{request.POST.urlencode()}")

    @method_decorator(csrf_protect)
    def _decide(self, request: HttpRequest) -> HttpResponse:
        return self._serve(request)

    def _serve(self, request: HttpRequest) -> HttpResponse:
        try:
            asked = self._asked(request)
            return self._person_first(request, asked) or self._consent_next(request, asked)
        except OAuthToolkitError as error:
            return self._refuse(request, error.oauthlib_error)
        except OAuth2Error as error:
            return self._refuse(request, error)

    def _asked(self, request: HttpRequest) -> Asked:
        try:
            urldecode(request.META.get("QUERY_STRING", ""))
        except ValueError as error:
            raise OAuthToolkitError(error=FatalClientError("This address is no address.")) from error
        return Asked(*self.validate_authorization_request(request))

    def _refuse(self, request: HttpRequest, error: OAuth2Error) -> HttpResponse:
        """Tell the application; but the person, where it is not clear that it is the application."""
        if isinstance(error, FatalClientError) or not error.redirect_uri:
            context = {"code": error.error, "description": error.description}
            return render(request, "oauth/refused.html", context, status=400)
        uri = add_params_to_uri(error.redirect_uri, error.twotuples)
        return redirect_to(_add_iss_to_redirect(uri, settings.OIDC_ISSUER))

    # Who it is

    def _person_first(self, request: HttpRequest, asked: Asked) -> HttpResponse | None:
        """Return where somebody has to go before it is clear enough who they are; None where it is."""
        is_silent = "none" in asked.prompts
        if is_silent and len(asked.prompts) > 1:
            raise InvalidRequestError(request=asked.request, description="prompt=none stands alone.")
        max_age = asked.max_age
        user = request.user
        if not isinstance(user, User):
            if is_silent:
                raise LoginRequired(request=asked.request)
            if "login" in asked.prompts or max_age is not None:
                session.ask(request)
            return redirect_to_login(request.get_full_path())
        if self._lacks_second_factor(request):
            if is_silent:
                raise InteractionRequired(request=asked.request)
            return lead_to_second_factor(request)
        self._compare_hint(asked, user)
        login = session.login_of(request, user)
        if not _is_anew(asked, login, max_age) or session.has_shown_since_asked(request, login):
            return None
        if is_silent or not session.can_show_again(user):
            raise LoginRequired(request=asked.request)
        session.ask(request)
        return HttpResponseRedirect(session.place_to_show_again(request))

    @staticmethod
    def _lacks_second_factor(request: HttpRequest) -> bool:
        person = person_behind(request.user)
        return person is not None and step_before(request.session, person) is not Step.NOTHING

    @staticmethod
    def _compare_hint(asked: Asked, user: User) -> None:
        hint = asked.request.id_token_hint
        if not hint:
            return
        try:
            client_id = asked.application.client_id
            claims = tokens.verify(hint, typ="JWT", audience=client_id, allow_expired=True)
        except tokens.InvalidToken:
            raise InvalidRequestError(
                request=asked.request, description="This ID token is not ours."
            ) from None
        if claims["sub"] != str(user.pk):
            raise LoginRequired(request=asked.request)

    # What they agree to

    def _consent_next(self, request: HttpRequest, asked: Asked) -> HttpResponse:
        assert isinstance(request.user, User)  # noqa: S101 - seen to before
        decision = request.POST.get("decision")
        if decision is not None:
            return self._decided(request, request.user, asked, is_allowed=decision == "allow")
        if _has_agreed(request.user, asked):
            return self._let_in(request, request.user, asked)
        if "none" in asked.prompts:
            raise ConsentRequired(request=asked.request)
        context = {
            "application": asked.application,
            "words": in_words(asked.scopes),
            "place": urlsplit(asked.request.redirect_uri).netloc,
            "again": _address_of_somebody_else(request),
        }
        with translation.override(_language(request, asked)):
            return render(request, "oauth/consent.html", context)

    def _decided(self, request: HttpRequest, user: User, asked: Asked, *, is_allowed: bool) -> HttpResponse:
        if not is_allowed:
            raise AccessDeniedError(request=asked.request)
        services.give_consent(asked.application.pk, asked.scopes, actor=user)
        return self._let_in(request, user, asked)

    def _let_in(self, request: HttpRequest, user: User, asked: Asked) -> HttpResponse:
        login = session.login_of(request, user)
        session.forget(request)
        credentials = asked.credentials | {"login": login, "ui_locales": None, "prompt": None}
        uri, _headers, _body, _status = self.create_authorization_response(
            request, " ".join(asked.scopes), credentials, allow=True
        )
        return redirect_to(uri)


def _is_anew(asked: Asked, login: services.Login, max_age: int | None) -> bool:
    """Tell whether an application wants somebody to show again who they are."""
    if "login" in asked.prompts:
        return True
    if max_age is None:
        return False
    return login.auth_time is None or time.time() - login.auth_time.timestamp() > max_age


def _has_agreed(user: User, asked: Asked) -> bool:
    """
    Tell whether somebody need not be asked.

    An application that keeps no secret, on their own machine, may be another one that calls itself so.
    """
    if asked.application.skip_authorization:
        return True
    is_anybody = asked.application.client_type == Application.Kind.PUBLIC and is_loopback(
        asked.request.redirect_uri
    )
    if "consent" in asked.prompts or is_anybody:
        return False
    return services.has_consent(user, asked.application, asked.scopes)


def _address_of_somebody_else(request: HttpRequest) -> str:
    """Return where one logs out, and comes back here as whoever logs in then."""
    return f"{reverse('account_logout')}?{urlencode({'next': request.get_full_path()})}"


def _language(request: HttpRequest, asked: Asked) -> str:
    """Return the language to ask in: the application says which, where the person has not."""
    current = translation.get_language() or settings.LANGUAGE_CODE
    user = request.user
    is_set = isinstance(user, User) and user.locale
    has_chosen = settings.LANGUAGE_COOKIE_NAME in request.COOKIES or is_set
    wanted = [tag[:2].lower() for tag in (asked.request.ui_locales or "").split()]
    known = [tag for tag in wanted if tag in dict(settings.LANGUAGES)]
    return known[0] if known and not has_chosen else current

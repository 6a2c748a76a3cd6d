"""Pages for people who are not in yet: an invitation, an account without a role, a local mailbox."""

import email
import email.policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

from allauth.account.internal.flows.login import perform_login, record_authentication
from allauth.account.models import Login
from django import forms
from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.contrib.auth.password_validation import password_validators_help_text_html
from django.core.exceptions import ObjectDoesNotExist, PermissionDenied, ValidationError
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import translation
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from apps.accounts import access, services
from apps.accounts.faces.declared import own_only, public
from apps.accounts.models import Invitation, User
from apps.accounts.services.limits import require_everywhere

_FILES = "apps.common.mail.EmailBackend"
# So many of the latest letters are shown.
_LETTERS = 50


class AcceptForm(forms.Form):
    """What it takes to join: a name and a password."""

    name = forms.CharField(
        label=pgettext_lazy("person", "Name"),
        max_length=150,
        widget=forms.TextInput(attrs={"autocomplete": "name"}),
    )
    password = forms.CharField(
        label=_("Password"),
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )


@public("whoever holds the link of an invitation, and nobody else, joins by it")
@never_cache
@require_http_methods(["GET", "POST"])
def invitation(request: HttpRequest, token: str) -> HttpResponse:
    """Show who invites whom to what, and take a name and a password."""
    try:
        found = services.open_invitation(token)
    except ObjectDoesNotExist:
        return _refusal(
            request,
            _("There is no such invitation. Perhaps it was sent to you again: use the newest letter."),
        )
    except ValidationError as refused:
        return _refusal(request, refused.messages[0])
    if found.locale and settings.LANGUAGE_COOKIE_NAME not in request.COOKIES:
        translation.activate(found.locale)
        request.LANGUAGE_CODE = found.locale
    form = AcceptForm(request.POST or None, initial={"name": found.name})
    if request.method == "POST" and form.is_valid():
        user = _accepted(form, token)
        if user is not None:
            return _log_in(request, user)
    return _page(request, found, form)


def _accepted(form: AcceptForm, token: str) -> User | None:
    values = form.cleaned_data
    try:
        return services.accept_invitation(
            token, name=values["name"], password=values["password"], locale=translation.get_language() or ""
        )
    except ValidationError as refused:
        known = getattr(refused, "error_dict", {})
        form.add_error(
            None if known.keys() - form.fields.keys() or not known else next(iter(known)), refused.messages
        )
    except ObjectDoesNotExist:
        form.add_error(None, _("This invitation was sent again meanwhile: use the newest letter."))
    return None


def _log_in(request: HttpRequest, user: User) -> HttpResponse:
    record_authentication(request, user, method="password", email=user.email)
    answer: HttpResponse = perform_login(request, Login(user=user, email=user.email))
    return answer


def _page(request: HttpRequest, found: Invitation, form: AcceptForm) -> HttpResponse:
    rules = password_validators_help_text_html()
    context = {"invitation": found, "form": form, "rules": rules}
    return render(request, "account/invitation.html", context, status=400 if form.errors else 200)


def _refusal(request: HttpRequest, said: Any) -> HttpResponse:
    return render(request, "account/invitation_over.html", {"said": said}, status=410)


@own_only("tells somebody what happens next with their own account")
@login_required
@require_safe
def waiting(request: HttpRequest) -> HttpResponse:
    """Say to somebody without a role what happens next."""
    if isinstance(request.user, User) and request.user.is_staff:
        return redirect("admin:index")
    return render(request, "account/waiting.html")


@own_only("the letters of a local installation, for who may do everything everywhere")
@login_required
@never_cache
@require_safe
def mailbox(request: HttpRequest) -> HttpResponse:
    """
    Show the letters that a local installation has written to files in place of sending them.

    They open accounts: whoever reads them could be given no more by any of them, but for letters to administrators of
    everything, which only such read.

    :raises Http404: letters are really sent here
    :raises PermissionDenied: there is something that the one who asks may not do
    """
    if settings.EMAIL_BACKEND != _FILES:
        raise Http404
    reader = request.user
    if not isinstance(reader, User):
        raise PermissionDenied
    require_everywhere(reader, access.all_permissions())
    letters = _latest(Path(str(settings.EMAIL_FILE_PATH)))
    if not reader.is_superuser:
        hidden = set(User.objects.filter(is_superuser=True).values_list("email", flat=True))
        letters = [letter for letter in letters if letter["to"] not in hidden]
    return render(request, "account/mailbox.html", {"letters": letters})


def _latest(directory: Path) -> list[dict[str, Any]]:
    # A file holds what one worker has sent over one connection: one letter.
    files = sorted(directory.glob("*.log"), key=lambda path: path.stat().st_mtime, reverse=True)
    return [_shown(path.read_bytes()) for path in files[:_LETTERS]]


def _shown(raw: bytes) -> dict[str, Any]:
    message = email.message_from_bytes(raw, _class=EmailMessage, policy=email.policy.default)
    body = message.get_body(("plain",))
    return {
        "subject": message["Subject"],
        "to": str(message["To"]),
        "at": message["Date"].datetime if message["Date"] else None,
        "text": body.get_content() if body else "",
    }

"""Forms of allauth's pages where the platform has the last word: on codes, and on one's own password."""

from collections.abc import Callable
from typing import Any

from allauth.account import forms
from allauth.account.adapter import get_adapter
from allauth.account.internal.flows.manage_email import email_already_exists
from allauth.core import context
from allauth.core.exceptions import ImmediateHttpResponse
from django.contrib.auth import authenticate
from django.http import HttpResponse, HttpResponseRedirect

from apps.accounts.codes import Verdict, take_code
from apps.accounts.models import User


def accept(
    handle: str | None,
    code: str,
    *,
    judge: Callable[[str | None, str], Verdict] = take_code,
    used: Callable[[], HttpResponse] | None = None,
) -> str:
    """
    Return the code if it is right.

    :param used: what whoever comes second with the right one is answered
    :raises ValidationError: it is wrong, or too old
    :raises ImmediateHttpResponse: it was used; writing the session would undo what the first one has done
    """
    verdict = judge(handle, code)
    if verdict is Verdict.USED:
        raise ImmediateHttpResponse(used() if used else HttpResponseRedirect(context.request.get_full_path()))
    if verdict is not Verdict.RIGHT:
        raise get_adapter().validation_error("incorrect_code")
    return code


class AcceptsCode:
    """A form that takes a code once."""

    expected_code: str | None
    cleaned_data: dict[str, Any]

    def clean_code(self) -> str:
        return accept(self.expected_code, self.cleaned_data["code"])


class ConfirmLoginCodeForm(AcceptsCode, forms.ConfirmLoginCodeForm):  # type: ignore[misc]
    """The code to log in."""


class ConfirmPasswordResetCodeForm(AcceptsCode, forms.ConfirmPasswordResetCodeForm):  # type: ignore[misc]
    """The code for a new password."""


class ConfirmEmailVerificationCodeForm(AcceptsCode, forms.ConfirmEmailVerificationCodeForm):  # type: ignore[misc]
    """The code that an address is one's own."""

    def clean_code(self) -> str:
        code = super().clean_code()
        email_already_exists(user=self.user, email=self.email, always_raise=True)
        return code


class ChangePasswordForm(forms.ChangePasswordForm):  # type: ignore[misc]
    """A new password, for whoever knows the old one; wrong old ones count as wrong passwords do."""

    def clean_oldpassword(self) -> str:
        return own_password(self.user, self.cleaned_data["oldpassword"])


def own_password(user: User, password: str) -> str:
    """
    Return the password if it is the user's own.

    :raises ValidationError: it is not
    :raises Locked: too many were wrong
    """
    found = authenticate(context.request, email=user.email, password=password)
    if found is None or found.pk != user.pk:
        raise get_adapter().validation_error("enter_current_password")
    return password

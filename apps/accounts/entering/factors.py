"""How allauth keeps second factors here: sealed, named, and not given up by who has to have one."""

import base64
from typing import Any

from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.mfa.models import Authenticator
from allauth.mfa.webauthn.forms import AddWebAuthnForm
from cryptography.fernet import Fernet, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django import forms
from django.conf import settings
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from apps.accounts import second_factor
from apps.accounts.devices import device_name
from apps.accounts.models import User


class MFAAdapter(DefaultMFAAdapter):  # type: ignore[misc]
    """Second factors of people."""

    error_messages = DefaultMFAAdapter.error_messages | {
        "cannot_delete_authenticator": gettext_lazy(
            "Your role requires a second factor. Add another one before you remove this one."
        ),
        "incorrect_code": gettext_lazy("This code is wrong, or was used already."),
    }

    def encrypt(self, text: str) -> str:
        return _seal().encrypt(text.encode()).decode()

    def decrypt(self, encrypted_text: str) -> str:
        return _seal().decrypt(encrypted_text.encode()).decode()

    def can_delete_authenticator(self, authenticator: Authenticator) -> bool:
        """Keep the last factor of somebody who has to have one."""
        user: Any = authenticator.user
        others = Authenticator.objects.filter(user=user.pk, type__in=second_factor.FACTORS)
        return others.exclude(pk=authenticator.pk).exists() or not second_factor.is_required_of(user)

    def generate_authenticator_name(self, user: User, type: str) -> str:  # noqa: A002 - allauth's name
        """Propose what the device calls itself."""
        request = self.request
        return device_name(request.META.get("HTTP_USER_AGENT", "")) if request else _("Passkey")


def _seal() -> MultiFernet:
    """Return what seals secrets at rest: a key of its own made of each secret key, the present one first."""
    keys = [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]
    return MultiFernet([Fernet(_derived(key)) for key in keys])


def _derived(secret: str) -> bytes:
    derive = HKDF(algorithm=SHA256(), length=32, salt=None, info=b"artel second factors")
    return base64.urlsafe_b64encode(derive.derive(secret.encode()))


class PasskeyForm(AddWebAuthnForm):  # type: ignore[misc]
    """A new passkey: always one that knows its person by finger, face or PIN, so that it can log in alone."""

    name = forms.CharField(
        label=gettext_lazy("Name"),
        max_length=60,
        required=False,
        help_text=gettext_lazy("By which you will know it: “Office laptop”, “Blue key”."),
    )
    passwordless = forms.BooleanField(initial=True, required=False, widget=forms.HiddenInput)

    def clean_passwordless(self) -> bool:
        return True

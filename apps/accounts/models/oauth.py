"""Applications that people log in to with their account here, and what they have been given."""

import uuid
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy
from oauth2_provider.models import AbstractApplication

from apps.accounts.models.people import Team, User
from apps.accounts.scoping import Rule, ScopedQuerySet
from apps.common.models import Stamped, Versioned

# Addresses of the machine that the browser runs on: nobody between them can read along.
LOOPBACK = ("127.0.0.1", "::1", "localhost")


def is_loopback(uri: str) -> bool:
    """Tell whether an address leads to the machine that asks."""
    parts = urlsplit(uri)
    return parts.scheme == "http" and parts.hostname in LOOPBACK


def _scopes() -> "ArrayField[Any, Any]":
    return ArrayField(models.CharField(max_length=100), verbose_name=_("what for"), default=list, blank=True)


class Application(AbstractApplication, Stamped, Versioned):  # type: ignore[misc]
    """A program of somebody's that asks for access through OAuth2 or OpenID Connect."""

    class Grant(models.TextChoices):
        CODE = AbstractApplication.GRANT_AUTHORIZATION_CODE, _("people, in a browser")
        DEVICE = AbstractApplication.GRANT_DEVICE_CODE, _("people, on a device without a keyboard")
        PROGRAM = AbstractApplication.GRANT_CLIENT_CREDENTIALS, _("nobody: it acts for itself")

    class Kind(models.TextChoices):
        CONFIDENTIAL = AbstractApplication.CLIENT_CONFIDENTIAL, _("it keeps a secret, as on a server")
        PUBLIC = (
            AbstractApplication.CLIENT_PUBLIC,
            _("it cannot keep a secret, as in a browser or on a phone"),
        )

    # The toolkit's own ways to keep a secret, to sign, and to let strangers register.
    user = None
    client_secret = None
    hash_client_secret = None
    algorithm = None
    registration_source = None
    cimd_expires_at = None
    created = None
    updated = None

    name = models.CharField(pgettext_lazy("application", "name"), max_length=100)
    team = models.ForeignKey(
        Team, verbose_name=_("team"), on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    authorization_grant_type = models.CharField(
        _("who logs in"), max_length=44, choices=Grant, default=Grant.CODE
    )
    client_type = models.CharField(_("its secret"), max_length=32, choices=Kind, default=Kind.CONFIDENTIAL)
    redirect_uris = models.TextField(
        _("where it may send people back to"),
        blank=True,
        default="",
        help_text=_("Whole addresses, one a line: https, or http on the machine itself."),
    )
    post_logout_redirect_uris = models.TextField(
        _("where it may send people after logging out"), blank=True, default=""
    )
    allowed_origins = models.TextField(
        _("pages that may call us from a browser"),
        blank=True,
        default="",
        help_text=_("Their origins, one a line: https://app.example.org"),
    )
    scopes = _scopes()
    skip_authorization = models.BooleanField(
        _("ours"), default=False, help_text=_("People are not asked whether they agree.")
    )
    # As whom a program acts that logs in for itself.
    service_user = models.OneToOneField(
        User,
        verbose_name=_("acts as"),
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        editable=False,
        related_name="service_application",
    )
    # SHA-256 of 256 random bits: there is nothing to guess that a slow hash would have to protect.
    secret_digest = models.CharField(max_length=64, blank=True, default="", editable=False)
    secret_made_at = models.DateTimeField(_("secret made"), null=True, editable=False)
    disabled_at = models.DateTimeField(_("turned off"), null=True, editable=False)

    objects = ScopedQuerySet.as_manager()
    access = Rule(team="team")

    class Meta:
        verbose_name = _("application")
        verbose_name_plural = _("applications")
        # What somebody did through one stays on record: it is turned off.
        default_permissions = ("view", "add", "change")
        constraints = [
            models.CheckConstraint(
                condition=Q(client_type=AbstractApplication.CLIENT_CONFIDENTIAL)
                | ~Q(authorization_grant_type=AbstractApplication.GRANT_CLIENT_CREDENTIALS),
                name="application_program_has_secret",
                violation_error_message=_("A program that acts for itself has to keep a secret."),
            ),
            models.CheckConstraint(
                condition=Q(client_type=AbstractApplication.CLIENT_CONFIDENTIAL) | Q(secret_digest=""),
                name="application_public_has_no_secret",
                violation_error_message=_("An application that cannot keep a secret has none."),
            ),
            models.CheckConstraint(
                condition=Q(service_user=None)
                | Q(authorization_grant_type=AbstractApplication.GRANT_CLIENT_CREDENTIALS),
                name="application_service_user_is_of_program",
                violation_error_message=_("Only a program that acts for itself acts as a user of its own."),
            ),
        ]

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        """Ask nothing of the toolkit: what is registered is checked by the service."""

    def is_usable(self, request: object) -> bool:
        return self.disabled_at is None

    def get_allowed_schemes(self) -> list[str]:
        # Plain http is for the machine itself, which registration sees to.
        return ["https", "http"]

    def redirect_uri_allowed(self, uri: str) -> bool:
        return is_registered(uri, self.redirect_uris.split())

    def post_logout_redirect_uri_allowed(self, uri: str) -> bool:
        return uri in self.post_logout_redirect_uris.split()

    def origin_allowed(self, origin: str) -> bool:
        return origin in self.allowed_origins.split()


def is_registered(uri: str, registered: list[str]) -> bool:
    """
    Tell whether an address is one of those that were registered, letter by letter.

    A program on the machine itself takes whatever port is free: one registered without a port, at an address that is
    no name, stands for all of them (RFC 8252, 7.3).
    """
    if uri in registered:
        return True
    try:
        parts = urlsplit(uri)
        is_on_some_port = parts.scheme == "http" and parts.port is not None and parts.username is None
    except ValueError:
        return False
    if not is_on_some_port or parts.hostname not in {"127.0.0.1", "::1"}:
        return False
    host = "[::1]" if parts.hostname == "::1" else parts.hostname
    is_plain = parts.netloc == f"{host}:{parts.port}"
    return is_plain and urlunsplit(parts._replace(netloc=host)) in registered


class ConsentGrant(models.Model):
    """What somebody has agreed that an application may do for them, until they take it back."""

    user = models.ForeignKey(
        User, verbose_name=_("user"), on_delete=models.CASCADE, related_name="consents", db_index=False
    )
    application = models.ForeignKey(
        Application, verbose_name=_("application"), on_delete=models.CASCADE, related_name="consents"
    )
    scopes = _scopes()
    given_at = models.DateTimeField(_("given"), auto_now_add=True, editable=False)
    revoked_at = models.DateTimeField(_("taken back"), null=True, editable=False)

    objects = ScopedQuerySet.as_manager()
    access = Rule(owner="user")

    class Meta:
        verbose_name = _("consent")
        verbose_name_plural = _("consents")
        # Given on the page that asks, and taken back by whoever gave it.
        default_permissions = ("view",)
        constraints = [
            models.UniqueConstraint(
                fields=["user", "application"], condition=Q(revoked_at=None), name="consent_live_unique"
            ),
        ]
        indexes = [models.Index(fields=["user", "-id"], name="consent_user_latest")]

    def __str__(self) -> str:
        return f"{self.user} · {self.application}"


class TokenFamily(models.Model):
    """What one login of an application has led to: all tokens that descend from it live and die together."""

    # Access tokens carry it as `sid`.
    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    application = models.ForeignKey(Application, on_delete=models.CASCADE, related_name="families")
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="token_families")
    scopes = _scopes()
    # When the person last showed who they are; unknown where a session does not say.
    auth_time = models.DateTimeField(null=True)
    # The hash of the browser's session in which they agreed: what is not for "when I am away" ends with it.
    browser_session = models.CharField(max_length=64, blank=True, default="")
    created_at = models.DateTimeField(auto_now_add=True)
    # No refresh token lives longer than its family, however often it is renewed.
    expires_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name = _("token family")
        verbose_name_plural = _("token families")
        default_permissions = ()
        indexes = [
            models.Index(fields=["expires_at"], name="token_family_expiry"),
            models.Index(
                fields=["browser_session"], name="token_family_browser", condition=~Q(browser_session="")
            ),
        ]


class AuthorizationCode(models.Model):
    """A code that an application swaps for tokens, once; it is kept a while to notice a second try."""

    digest = models.CharField(max_length=64, unique=True)
    application = models.ForeignKey(Application, on_delete=models.CASCADE, related_name="+")
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+")
    redirect_uri = models.TextField()
    scopes = _scopes()
    code_challenge = models.CharField(max_length=128)
    nonce = models.CharField(max_length=512, blank=True, default="")
    auth_time = models.DateTimeField(null=True)
    browser_session = models.CharField(max_length=64, blank=True, default="")
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True)
    family = models.ForeignKey(TokenFamily, on_delete=models.CASCADE, null=True, related_name="+")

    class Meta:
        verbose_name = _("authorization code")
        verbose_name_plural = _("authorization codes")
        default_permissions = ()
        indexes = [models.Index(fields=["expires_at"], name="authorization_code_expiry")]


class RefreshToken(models.Model):
    """A token that an application swaps for the next one, once; of each family one at most is unused."""

    digest = models.CharField(max_length=64, unique=True)
    family = models.ForeignKey(TokenFamily, on_delete=models.CASCADE, related_name="refresh_tokens")
    created_at = models.DateTimeField(auto_now_add=True)
    used_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name = _("refresh token")
        verbose_name_plural = _("refresh tokens")
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(
                fields=["family"], condition=Q(used_at=None), name="refresh_token_one_unused"
            )
        ]


class DeviceCode(models.Model):
    """A device without a keyboard that waits until somebody lets it in from another one."""

    class State(models.TextChoices):
        PENDING = "PENDING", _("waiting")
        APPROVED = "APPROVED", _("approved")
        DENIED = "DENIED", _("refused")
        USED = "USED", _("used")

    digest = models.CharField(max_length=64, unique=True)
    user_code = models.CharField(max_length=8, unique=True)
    application = models.ForeignKey(Application, on_delete=models.CASCADE, related_name="+")
    scopes = _scopes()
    state = models.CharField(max_length=8, choices=State, default=State.PENDING)
    user = models.ForeignKey(User, on_delete=models.CASCADE, null=True, related_name="+")
    auth_time = models.DateTimeField(null=True)
    interval = models.PositiveSmallIntegerField()
    last_polled_at = models.DateTimeField(null=True)
    expires_at = models.DateTimeField()

    class Meta:
        verbose_name = _("device code")
        verbose_name_plural = _("device codes")
        default_permissions = ()
        indexes = [models.Index(fields=["expires_at"], name="device_code_expiry")]

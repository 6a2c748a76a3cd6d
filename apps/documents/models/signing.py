"""Acceptance by people outside: what was sent to whom, what they answered, and the evidence of it."""

from django.db import models
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from apps.accounts.models.people import validate_language
from apps.accounts.scoping import Rule, ScopedQuerySet
from apps.common.models import Stamped, Versioned
from apps.documents.models.documents import Document, DocumentVersion


class SignatureRequest(Stamped, Versioned):
    """That one version of a document was sent out to be accepted, until a moment."""

    class State(models.TextChoices):
        OPEN = "OPEN", pgettext_lazy("signature request", "waits for answers")
        COMPLETED = "COMPLETED", pgettext_lazy("signature request", "accepted by all")
        DECLINED = "DECLINED", pgettext_lazy("signature request", "declined")
        CANCELLED = "CANCELLED", pgettext_lazy("signature request", "cancelled")
        EXPIRED = "EXPIRED", pgettext_lazy("signature request", "expired")

    document = models.ForeignKey(
        Document, verbose_name=_("document"), on_delete=models.CASCADE, related_name="signature_requests"
    )
    document_version = models.ForeignKey(
        DocumentVersion,
        verbose_name=_("version of the document"),
        on_delete=models.CASCADE,
        related_name="signature_requests",
        db_index=False,
    )
    # SHA-256 of the content in hexadecimal digits: what is accepted is this and nothing else.
    digest = models.CharField(_("SHA-256"), max_length=64, editable=False)
    message = models.TextField(_("message"), max_length=2000, blank=True, default="")
    # In which the evidence is written.
    locale = models.CharField(
        _("language"), max_length=8, blank=True, default="", validators=[validate_language]
    )
    state = models.CharField(_("state"), max_length=16, choices=State.choices, default=State.OPEN)
    expires_at = models.DateTimeField(_("until"))
    closed_at = models.DateTimeField(_("ended"), null=True, blank=True)
    reason = models.TextField(_("reason"), max_length=2000, blank=True, default="")
    evidence = models.ForeignKey(
        Document,
        verbose_name=_("evidence"),
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        editable=False,
        related_name="+",
        db_index=False,
    )

    objects = ScopedQuerySet.as_manager()
    access = Rule(owner="document__owner", team="document__team", unowned=True)

    class Meta:
        verbose_name = _("signature request")
        verbose_name_plural = _("signature requests")
        # They are cancelled, and stay on record.
        default_permissions = ("view", "add", "change")
        constraints = [
            models.UniqueConstraint(
                fields=["document"],
                condition=models.Q(state="OPEN"),
                name="signature_request_open_once",
                violation_error_message=_("This document is out to be signed already."),
            ),
            models.CheckConstraint(
                condition=models.Q(state="OPEN", closed_at=None)
                | (~models.Q(state="OPEN") & models.Q(closed_at__isnull=False)),
                name="signature_request_closed_or_open",
            ),
        ]
        indexes = [
            models.Index(
                fields=["expires_at"], condition=models.Q(state="OPEN"), name="signature_request_open_until"
            ),
            models.Index(
                fields=["closed_at"],
                condition=models.Q(state="COMPLETED", evidence=None),
                name="signature_without_evidence",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.document} · {self.get_state_display()}"


class SignatureRecipient(models.Model):
    """Somebody who is asked to accept a document by a link that only they are sent."""

    class State(models.TextChoices):
        WAITING = "WAITING", pgettext_lazy("recipient", "not yet asked")
        ASKED = "ASKED", pgettext_lazy("recipient", "asked")
        ACCEPTED = "ACCEPTED", pgettext_lazy("recipient", "accepted")
        DECLINED = "DECLINED", pgettext_lazy("recipient", "declined")

    request = models.ForeignKey(
        SignatureRequest,
        verbose_name=_("signature request"),
        on_delete=models.CASCADE,
        related_name="recipients",
        db_index=False,
    )
    # Equal places are asked together; the next when all of these have accepted.
    place = models.PositiveSmallIntegerField(pgettext_lazy("in a row", "place"), default=1)
    name = models.CharField(pgettext_lazy("person", "name"), max_length=150)
    email = models.EmailField(_("e-mail"))
    locale = models.CharField(
        _("language"), max_length=8, blank=True, default="", validators=[validate_language]
    )
    state = models.CharField(_("state"), max_length=16, choices=State.choices, default=State.WAITING)
    # SHA-256 of the 256 random bits in the link; none before it is sent.
    token_digest = models.CharField(max_length=64, null=True, blank=True, unique=True, editable=False)
    sent_at = models.DateTimeField(_("sent"), null=True, blank=True)
    viewed_at = models.DateTimeField(_("opened"), null=True, blank=True)
    decided_at = models.DateTimeField(_("answered"), null=True, blank=True)
    reason = models.TextField(_("reason"), max_length=2000, blank=True, default="")
    # Where the code of the latest letter is kept, never the code.
    code_handle = models.CharField(max_length=64, blank=True, default="", editable=False)
    code_sent_at = models.DateTimeField(null=True, blank=True, editable=False)
    # Since the link was last sent; too many shut it.
    wrong_codes = models.PositiveSmallIntegerField(_("wrong codes"), default=0, editable=False)

    objects = ScopedQuerySet.as_manager()
    access = Rule(via=("request",))

    class Meta:
        verbose_name = _("recipient")
        verbose_name_plural = _("recipients")
        constraints = [
            models.UniqueConstraint(
                fields=["request", "email"],
                name="signature_recipient_once",
                violation_error_message=_("Each address is asked once."),
            ),
            models.CheckConstraint(
                condition=models.Q(state__in=["ACCEPTED", "DECLINED"], decided_at__isnull=False)
                | models.Q(state__in=["WAITING", "ASKED"], decided_at=None),
                name="signature_recipient_decided",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.email})"


class SignatureEvent(models.Model):
    """
    What happened on the way to a signature; never changed, and each carries the hash of the one before it.

    The database itself gives each its place in the chain of its request when it is written.
    """

    class Kind(models.TextChoices):
        REQUESTED = "REQUESTED", _("sent out to be signed")
        SENT = "SENT", _("link sent")
        VIEWED = "VIEWED", _("link opened")
        OPENED = "OPENED", _("document opened")
        CODE_SENT = "CODE_SENT", _("said to have read it, code sent")
        CODE_WRONG = "CODE_WRONG", _("wrong code")
        LOCKED = "LOCKED", _("link locked after wrong codes")
        ACCEPTED = "ACCEPTED", pgettext_lazy("recipient", "accepted")
        DECLINED = "DECLINED", pgettext_lazy("recipient", "declined")
        CANCELLED = "CANCELLED", pgettext_lazy("signature request", "cancelled")
        EXPIRED = "EXPIRED", pgettext_lazy("signature request", "expired")
        COMPLETED = "COMPLETED", pgettext_lazy("signature request", "accepted by all")
        EVIDENCE = "EVIDENCE", _("evidence written")

    request = models.ForeignKey(
        SignatureRequest, on_delete=models.CASCADE, related_name="events", db_index=False, editable=False
    )
    # By its number alone: the record outlives what it tells of only together with its request.
    recipient = models.ForeignKey(
        SignatureRecipient,
        verbose_name=_("recipient"),
        on_delete=models.DO_NOTHING,
        null=True,
        db_constraint=False,
        db_index=False,
        related_name="+",
        editable=False,
    )
    kind = models.CharField(
        pgettext_lazy("event", "what"), max_length=16, choices=Kind.choices, editable=False
    )
    at = models.DateTimeField(pgettext_lazy("event", "when"), editable=False)
    address = models.GenericIPAddressField(_("address"), null=True, editable=False)
    agent = models.CharField(_("program"), max_length=300, blank=True, default="", editable=False)
    digest = models.CharField(_("SHA-256"), max_length=64, editable=False)
    data = models.JSONField(_("details"), default=dict, editable=False)
    position = models.PositiveIntegerField(_("position"), null=True, editable=False)
    previous = models.CharField(_("hash before it"), max_length=64, blank=True, default="", editable=False)
    hash = models.CharField(_("hash"), max_length=64, blank=True, default="", editable=False)

    objects = ScopedQuerySet.as_manager()
    access = Rule(via=("request",))

    class Meta:
        verbose_name = _("signature event")
        verbose_name_plural = _("signature events")
        default_permissions = ("view",)
        constraints = [
            models.UniqueConstraint(fields=["request", "position"], name="signature_event_place"),
        ]

    def __str__(self) -> str:
        return f"{self.position}. {self.get_kind_display()}"


class SignatureHead(models.Model):
    """How long the chain of a request is, and the hash it ends with: what is missing at its end shows here."""

    request = models.OneToOneField(
        SignatureRequest, on_delete=models.CASCADE, primary_key=True, related_name="head"
    )
    count = models.PositiveIntegerField()
    hash = models.CharField(max_length=64)

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.count}:{self.hash}"

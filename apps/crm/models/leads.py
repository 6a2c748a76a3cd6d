"""Strangers' interest: where it comes from, what has arrived, whose it is, and what became of it."""

import secrets
from typing import Any

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex, OpClass
from django.core.validators import RegexValidator
from django.db import models
from django.db.models.functions import Concat, Upper
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from apps.accounts.models import Owned, Team
from apps.accounts.scoping import Rule, ScopedQuerySet
from apps.common.models import Archivable, Imported, Stamped, Versioned, unique_source
from apps.crm.models.catalog import Tag
from apps.crm.models.companies import Company, ContactPoint, Person
from apps.crm.models.custom_fields import Customised
from apps.crm.models.deals import Deal
from apps.crm.models.pipelines import Pipeline

# What a form may bring of a stranger, by the name that the platform has for it.
FORM_FIELDS = ("name", "company_name", "email", "phone", "telegram", "message", "country", "language")
_TOKEN_BYTES = 24


def new_token() -> str:
    """Return the secret part of a form's address."""
    return secrets.token_urlsafe(_TOKEN_BYTES)


def _named(model_name: str, message: Any) -> models.UniqueConstraint:
    return models.UniqueConstraint(
        Upper("name"), name=f"{model_name}_name_unique", violation_error_message=message
    )


class Source(Stamped):
    """Where strangers hear of us: a site, a fair, a partner."""

    name = models.CharField(_("name"), max_length=100)
    is_active = models.BooleanField(_("offered"), default=True)

    objects = ScopedQuerySet.as_manager()
    access = Rule(shared=True)

    class Meta:
        verbose_name = pgettext_lazy("lead", "source")
        verbose_name_plural = pgettext_lazy("lead", "sources")
        constraints = [_named("source", _("There is a source of this name already."))]

    def __str__(self) -> str:
        return self.name


class DisqualifyReason(Stamped):
    """Why a lead comes to nothing."""

    name = models.CharField(_("name"), max_length=100)
    is_active = models.BooleanField(_("offered"), default=True)

    objects = ScopedQuerySet.as_manager()
    access = Rule(shared=True)

    class Meta:
        verbose_name = _("reason to disqualify")
        verbose_name_plural = _("reasons to disqualify")
        constraints = [_named("disqualify_reason", _("There is such a reason already."))]

    def __str__(self) -> str:
        return self.name


class Purpose(models.TextChoices):
    """What somebody agrees to, or not."""

    CONTACT = "CONTACT", _("answering an inquiry")
    MARKETING = "MARKETING", _("news and offers")
    CALLS = "CALLS", _("calls")
    PROCESSING = "PROCESSING", _("processing of personal data")


class LeadForm(Stamped, Versioned, Archivable):
    """A form on somebody's site, and what becomes of what is sent with it."""

    name = models.CharField(_("name"), max_length=150)
    token = models.CharField(max_length=64, unique=True, default=new_token, editable=False)
    is_active = models.BooleanField(_("takes messages"), default=True)
    # "https://www.example.org", as browsers send it; pages of other sites are refused.
    allowed_origins = ArrayField(
        models.CharField(max_length=255), verbose_name=_("sites"), default=list, blank=True
    )
    # {name of the site's field: ours}; fields that are called as ours need not be named.
    field_map = models.JSONField(_("fields"), default=dict, blank=True)
    honeypot = models.CharField(
        _("trap for robots"),
        max_length=64,
        default="website",
        validators=[RegexValidator(r"^[A-Za-z][A-Za-z0-9_-]*\Z", _("Latin letters, digits, - and _."))],
        help_text=_("The name of a field that people do not see. What fills it in is thrown away."),
    )
    hourly_limit = models.PositiveIntegerField(
        _("most messages an hour"), default=500, help_text=_("What comes beyond that is asked to wait.")
    )
    success_message = models.CharField(
        _("what is said to who has sent it"), max_length=500, blank=True, default=""
    )
    redirect_url = models.URLField(_("page of thanks"), max_length=500, blank=True, default="")
    country = models.CharField(
        _("country"),
        max_length=100,
        blank=True,
        default="",
        help_text=_("Where the phone numbers are from that name no country."),
    )
    source = models.ForeignKey(
        Source,
        verbose_name=pgettext_lazy("lead", "source"),
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        db_index=False,
    )
    pipeline = models.ForeignKey(
        Pipeline,
        verbose_name=_("pipeline of its deals"),
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        db_index=False,
    )
    default_owner = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("owner where no rule fits"),
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        db_index=False,
    )
    consent_text = models.TextField(_("text of the consent"), blank=True, default="")
    consent_version = models.PositiveIntegerField(_("version of the consent"), default=0, editable=False)
    consent_purpose = models.CharField(
        _("what the consent is for"), max_length=10, choices=Purpose, default=Purpose.MARKETING
    )
    is_consent_required = models.BooleanField(_("nothing is taken without the consent"), default=False)

    objects = ScopedQuerySet.as_manager()
    access = Rule(shared=True)

    class Meta:
        verbose_name = _("form")
        verbose_name_plural = _("forms")
        constraints = [
            models.CheckConstraint(
                condition=models.Q(is_consent_required=False) | ~models.Q(consent_text=""),
                name="lead_form_consent_has_text",
                violation_error_message=_("Write the text of the consent that is required."),
            )
        ]

    def __str__(self) -> str:
        return self.name


class ConsentText(models.Model):
    """The words of a form's consent in one version, kept as proof of what was agreed to; never changed."""

    form = models.ForeignKey(
        LeadForm, verbose_name=_("form"), on_delete=models.CASCADE, related_name="consent_texts"
    )
    version = models.PositiveIntegerField(_("version"))
    text = models.TextField(_("text"))
    at = models.DateTimeField(_("at"), default=timezone.now)

    objects = ScopedQuerySet.as_manager()
    access = Rule(via=("form",))

    class Meta:
        verbose_name = _("text of a consent")
        verbose_name_plural = _("texts of consents")
        constraints = [
            models.UniqueConstraint(fields=["form", "version"], name="consent_text_version_unique")
        ]

    def __str__(self) -> str:
        return f"{self.form} · {self.version}"


class AssignmentRule(Stamped, Versioned):
    """To whom leads go that fit its conditions: to a person, or in turn to the people of a team."""

    name = models.CharField(_("name"), max_length=150)
    position = models.PositiveIntegerField(
        _("place"),
        default=100,
        help_text=_("Rules are tried from the lowest place on; the first that fits decides."),
    )
    is_active = models.BooleanField(_("in use"), default=True)
    source = models.ForeignKey(
        Source,
        verbose_name=pgettext_lazy("lead", "source"),
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        db_index=False,
    )
    form = models.ForeignKey(
        LeadForm,
        verbose_name=_("form"),
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        db_index=False,
    )
    country = models.CharField(_("country"), max_length=100, blank=True, default="")
    language = models.CharField(_("language"), max_length=8, blank=True, default="")
    contains = models.CharField(
        _("the message contains"),
        max_length=200,
        blank=True,
        default="",
        help_text=_("Capitals do not matter."),
    )
    to_user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("to this person"),
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        db_index=False,
    )
    to_team = models.ForeignKey(
        Team,
        verbose_name=_("in turn to this team"),
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        db_index=False,
    )
    # Who had the last turn; counted under the rule's lock.
    last_owner_id = models.BigIntegerField(null=True, editable=False)

    objects = ScopedQuerySet.as_manager()
    access = Rule(shared=True)

    class Meta:
        verbose_name = _("assignment rule")
        verbose_name_plural = _("assignment rules")
        constraints = [
            models.CheckConstraint(
                condition=models.Q(to_user=None) ^ models.Q(to_team=None),
                name="assignment_rule_has_one_target",
                violation_error_message=_("Name either a person or a team."),
            )
        ]

    def __str__(self) -> str:
        return self.name


class Absence(Stamped):
    """Days on which somebody gets no new leads."""

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, verbose_name=_("who"), on_delete=models.CASCADE, related_name="absences"
    )
    first_date = models.DateField(_("from"))
    last_date = models.DateField(_("until"))

    objects = ScopedQuerySet.as_manager()
    access = Rule(owner="user", team="user__memberships__team")

    class Meta:
        verbose_name = _("absence")
        verbose_name_plural = _("absences")
        constraints = [
            models.CheckConstraint(
                condition=models.Q(last_date__gte=models.F("first_date")),
                name="absence_ends_after_it_begins",
                violation_error_message=_("The last day cannot be before the first."),
            )
        ]

    def __str__(self) -> str:
        return f"{self.user} · {self.first_date:%Y-%m-%d} – {self.last_date:%Y-%m-%d}"


class LeadQuerySet(ScopedQuerySet["Lead"]):
    """Leads by what is still to be done about them."""

    def open(self) -> "LeadQuerySet":
        """Keep the leads that nobody has decided about."""
        return self.filter(status__in=Lead.OPEN)


class Lead(Stamped, Versioned, Archivable, Imported, Customised, Owned):
    """Somebody's interest, until it is clear whether anything comes of it."""

    class Status(models.TextChoices):
        NEW = "NEW", pgettext_lazy("lead", "new")
        WORKING = "WORKING", pgettext_lazy("lead", "in work")
        QUALIFIED = "QUALIFIED", pgettext_lazy("lead", "qualified")
        DISQUALIFIED = "DISQUALIFIED", pgettext_lazy("lead", "disqualified")

    OPEN = (Status.NEW, Status.WORKING)

    name = models.CharField(pgettext_lazy("person", "name"), max_length=200, blank=True, default="")
    company_name = models.CharField(_("company"), max_length=200, blank=True, default="")
    # As they were written, and in the forms that compare.
    email = models.CharField(_("e-mail"), max_length=254, blank=True, default="")
    phone = models.CharField(_("phone"), max_length=64, blank=True, default="")
    telegram = models.CharField(_("Telegram"), max_length=64, blank=True, default="")
    email_value = models.CharField(max_length=254, blank=True, default="", editable=False)
    phone_value = models.CharField(max_length=64, blank=True, default="", editable=False)
    telegram_value = models.CharField(max_length=64, blank=True, default="", editable=False)
    message = models.TextField(_("message"), blank=True, default="")
    country = models.CharField(_("country"), max_length=100, blank=True, default="")
    language = models.CharField(_("language"), max_length=8, blank=True, default="")
    source = models.ForeignKey(
        Source,
        verbose_name=pgettext_lazy("lead", "source"),
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        db_index=False,
    )
    form = models.ForeignKey(
        LeadForm,
        verbose_name=_("form"),
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        editable=False,
        related_name="leads",
        db_index=False,
    )
    status = models.CharField(_("status"), max_length=12, choices=Status, default=Status.NEW, editable=False)
    arrived_at = models.DateTimeField(_("arrived"), default=timezone.now, editable=False)
    arrival_count = models.PositiveIntegerField(_("arrivals"), default=1, editable=False)
    next_step = models.CharField(_("next step"), max_length=200, blank=True, default="")
    next_step_date = models.DateField(_("next step on"), null=True, blank=True)
    assigned_at = models.DateTimeField(_("assigned"), null=True, blank=True, editable=False)
    # Why it is whose it is: {"by": "rule", "rule": "Hamburg", "turn": true, …}; `selectors.leads` says it in words.
    assigned_because = models.JSONField(default=dict, editable=False)
    disqualify_reason = models.ForeignKey(
        DisqualifyReason,
        verbose_name=_("disqualified because"),
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        editable=False,
        related_name="+",
    )
    disqualify_note = models.CharField(
        _("why exactly"), max_length=500, blank=True, default="", editable=False
    )
    # Whom it seems to be from, found as it arrived.
    known_person = models.ForeignKey(
        Person,
        verbose_name=_("known person"),
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        editable=False,
        related_name="known_leads",
        db_index=False,
    )
    known_company = models.ForeignKey(
        Company,
        verbose_name=_("known company"),
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        editable=False,
        related_name="known_leads",
        db_index=False,
    )
    converted_person = models.ForeignKey(
        Person,
        verbose_name=_("person"),
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        editable=False,
        related_name="leads",
        db_index=False,
    )
    converted_company = models.ForeignKey(
        Company,
        verbose_name=_("company of the person"),
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        editable=False,
        related_name="leads",
        db_index=False,
    )
    converted_deal = models.ForeignKey(
        Deal,
        verbose_name=_("deal"),
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        editable=False,
        related_name="leads",
        db_index=False,
    )
    converted_at = models.DateTimeField(_("qualified"), null=True, blank=True, editable=False)
    tags = models.ManyToManyField(Tag, verbose_name=_("tags"), blank=True, related_name="leads")
    # All that one looks a lead up by, under one index.
    words = models.GeneratedField(
        expression=Concat(
            *["name", models.Value(" "), "company_name", models.Value(" "), "email", models.Value(" ")],
            *["phone", models.Value(" "), "phone_value", models.Value(" "), "telegram"],
            output_field=models.TextField(),
        ),
        output_field=models.TextField(),
        db_persist=True,
    )

    objects = LeadQuerySet.as_manager()
    access = Rule(owner="owner", team="team", unowned=True)

    class Meta:
        verbose_name = _("lead")
        verbose_name_plural = _("leads")
        permissions = [
            ("archive_lead", _("Can archive and restore leads")),
            ("assign_lead", _("Can give leads to somebody else")),
            ("qualify_lead", _("Can qualify leads")),
            ("disqualify_lead", _("Can disqualify and recycle leads")),
        ]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(
                    status="QUALIFIED", converted_at__isnull=False, converted_person__isnull=False
                )
                | (
                    ~models.Q(status="QUALIFIED")
                    & models.Q(
                        converted_at=None, converted_person=None, converted_company=None, converted_deal=None
                    )
                ),
                name="lead_converted_has_person_and_time",
                violation_error_message=_("A qualified lead has its person and the time; no other has."),
            ),
            models.CheckConstraint(
                condition=models.Q(status="DISQUALIFIED", disqualify_reason__isnull=False)
                | (~models.Q(status="DISQUALIFIED") & models.Q(disqualify_reason=None, disqualify_note="")),
                name="lead_disqualified_has_reason",
                violation_error_message=_("A disqualified lead has its reason; no other has."),
            ),
            models.CheckConstraint(
                condition=~models.Q(name="", company_name="", email="", phone="", telegram=""),
                name="lead_is_somebody",
                violation_error_message=_("A lead needs a name or a way to reach somebody."),
            ),
            unique_source("lead"),
        ]
        indexes = [
            GinIndex(fields=["custom"], name="lead_custom", opclasses=["jsonb_path_ops"]),
            GinIndex(OpClass(Upper("words"), name="gin_trgm_ops"), name="lead_words_trgm"),
            models.Index(fields=["arrived_at", "id"], name="lead_by_arrival"),
            models.Index(
                fields=["arrived_at", "id"],
                condition=models.Q(status__in=["NEW", "WORKING"], archived_at=None),
                name="lead_open_by_arrival",
            ),
            *[
                models.Index(fields=[column, "arrived_at", "id"], name=f"lead_{column}_arrival")
                for column in ("status", "owner", "team", "source", "form")
            ],
            models.Index(
                fields=["-id"], condition=models.Q(archived_at__isnull=False), name="lead_trash_latest"
            ),
            # What arrivals are held against.
            *[
                models.Index(
                    fields=[f"{kind}_value"],
                    condition=~models.Q(**{f"{kind}_value": ""}),
                    name=f"lead_{kind}_value",
                )
                for kind in ("email", "phone", "telegram")
            ],
            *[
                models.Index(
                    fields=[column],
                    condition=models.Q(**{f"{column}__isnull": False}),
                    name=f"lead_{column}"[:30],
                )
                for column in (
                    "known_person",
                    "known_company",
                    "converted_person",
                    "converted_company",
                    "converted_deal",
                )
            ],
        ]

    def __str__(self) -> str:
        return self.name or self.company_name or self.email or self.phone or self.telegram

    @property
    def is_open(self) -> bool:
        return self.archived_at is None and self.status in self.OPEN

    @property
    def contacts(self) -> list[tuple[str, str, str]]:
        """The ways to reach them: kind, as written, in the form that compares."""
        found = [
            (ContactPoint.Kind.EMAIL, self.email, self.email_value),
            (ContactPoint.Kind.PHONE, self.phone, self.phone_value),
            (ContactPoint.Kind.TELEGRAM, self.telegram, self.telegram_value),
        ]
        return [(kind.value, raw, value) for kind, raw, value in found if value]


class LeadArrival(models.Model):
    """One message as it came in; a lead has one for each time that its stranger wrote. Never changed."""

    class Channel(models.TextChoices):
        FORM = "FORM", _("through a form")
        API = "API", _("through the API")
        ADMIN = "ADMIN", _("by hand")

    lead = models.ForeignKey(
        Lead, verbose_name=_("lead"), on_delete=models.CASCADE, related_name="arrivals", db_index=False
    )
    form = models.ForeignKey(
        LeadForm,
        verbose_name=_("form"),
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="arrivals",
        db_index=False,
    )
    channel = models.CharField(_("how"), max_length=5, choices=Channel)
    at = models.DateTimeField(_("at"), default=timezone.now)
    # The sender's own name for this message, by which a second sending of it is known.
    submission_id = models.CharField(max_length=64, blank=True, default="")
    # {our field: what was written}, and what the form brought besides.
    values = models.JSONField(_("what was written"), default=dict)
    extra = models.JSONField(_("what came besides"), default=dict)
    origin = models.CharField(_("site"), max_length=255, blank=True, default="")
    # Agreed to with the message; becomes a consent of the person whom the lead turns out to be.
    consent_text = models.ForeignKey(
        ConsentText,
        verbose_name=_("agreed to"),
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        db_index=False,
    )

    objects = ScopedQuerySet.as_manager()
    access = Rule(via=("lead",))

    class Meta:
        verbose_name = _("arrival")
        verbose_name_plural = _("arrivals")
        constraints = [
            models.UniqueConstraint(
                fields=["form", "submission_id"],
                condition=~models.Q(submission_id=""),
                name="lead_arrival_submission_unique",
            )
        ]
        indexes = [
            models.Index(fields=["lead", "-id"], name="lead_arrival_latest"),
            models.Index(fields=["form", "at"], name="lead_arrival_form_at"),
        ]

    def __str__(self) -> str:
        return f"{self.lead} · {self.at:%Y-%m-%d %H:%M}"


class Consent(models.Model):
    """That somebody agreed to something at one of their addresses, or took it back. Never changed; the latest counts."""

    class Status(models.TextChoices):
        GIVEN = "GIVEN", pgettext_lazy("consent", "given")
        WITHDRAWN = "WITHDRAWN", pgettext_lazy("consent", "withdrawn")

    class Basis(models.TextChoices):
        CONSENT = "CONSENT", _("consent")
        CONTRACT = "CONTRACT", _("contract")
        LEGITIMATE = "LEGITIMATE", _("legitimate interest")
        OBLIGATION = "OBLIGATION", _("legal obligation")

    class Source(models.TextChoices):
        FORM = "FORM", _("form")
        STAFF = "STAFF", _("written down by a colleague")
        API = "API", _("API")

    contact_point = models.ForeignKey(
        ContactPoint,
        verbose_name=_("contact"),
        on_delete=models.CASCADE,
        related_name="consents",
        db_index=False,
    )
    purpose = models.CharField(_("what for"), max_length=10, choices=Purpose)
    basis = models.CharField(_("lawful basis"), max_length=10, choices=Basis, default=Basis.CONSENT)
    status = models.CharField(_("status"), max_length=9, choices=Status)
    source = models.CharField(_("how it came"), max_length=5, choices=Source)
    at = models.DateTimeField(_("at"), default=timezone.now)
    # The words that were agreed to.
    text = models.ForeignKey(
        ConsentText,
        verbose_name=_("text"),
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        db_index=False,
    )
    note = models.CharField(_("note"), max_length=500, blank=True, default="")
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("by"),
        on_delete=models.PROTECT,
        related_name="+",
        db_index=False,
    )

    objects = ScopedQuerySet.as_manager()
    access = Rule(via=("contact_point",))

    class Meta:
        verbose_name = _("consent")
        verbose_name_plural = _("consents")
        indexes = [models.Index(fields=["contact_point", "purpose", "-id"], name="consent_latest")]

    def __str__(self) -> str:
        return f"{self.get_purpose_display()} · {self.get_status_display()}"

"""What papers are made from: templates and their versions, who we are on paper, numbers, and each time one was made."""

from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.serializers.json import DjangoJSONEncoder
from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from apps.accounts.scoping import Rule, ScopedQuerySet
from apps.common.models import Archivable, Stamped, Versioned
from apps.documents.models.blobs import Blob
from apps.documents.models.documents import Document, DocumentLink, DocumentVersion
from apps.documents.models.places import DocumentType
from apps.jobs.models import Job

# What a company of ours says of itself in words, which are others in another language.
WORDED = (
    *("name", "full_name", "address", "bank_name"),
    *("signatory_name", "signatory_title", "signatory_in_text", "signatory_basis"),
)


def check_translations(value: Any) -> None:
    """See that texts stand under languages of papers and names of columns. :raises ValidationError: "translations" """
    languages = dict(settings.LANGUAGES)
    try:
        for language, texts in value.items():
            if language not in languages or not texts.keys() <= set(WORDED):
                raise KeyError(language)
            for name, text in texts.items():
                column: Any = LegalEntity._meta.get_field(name)
                if not isinstance(text, str) or len(text) > column.max_length:
                    raise ValueError(name)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ValidationError(
            _(
                "Write texts under a language of papers and the name of what they say: %(languages)s; %(names)s."
            ),
            code="translations",
            params={"languages": ", ".join(languages), "names": ", ".join(WORDED)},
        ) from error


class LegalEntity(Stamped, Versioned, Archivable):
    """A company of ours as papers name it, with its bank account and who signs for it."""

    name = models.CharField(_("name"), max_length=200)
    full_name = models.CharField(_("full legal name"), max_length=400, blank=True, default="")
    tax_id = models.CharField(_("tax id"), max_length=32, blank=True, default="")
    registration_number = models.CharField(_("registration number"), max_length=64, blank=True, default="")
    address = models.CharField(_("address"), max_length=400, blank=True, default="")
    phone = models.CharField(_("phone"), max_length=64, blank=True, default="")
    email = models.EmailField(_("e-mail"), blank=True, default="")
    website = models.CharField(_("website"), max_length=200, blank=True, default="")
    bank_name = models.CharField(_("bank"), max_length=200, blank=True, default="")
    bank_code = models.CharField(_("bank code"), max_length=32, blank=True, default="")
    account = models.CharField(_("account"), max_length=64, blank=True, default="")
    correspondent_account = models.CharField(
        _("correspondent account"), max_length=64, blank=True, default=""
    )
    signatory_name = models.CharField(_("signs"), max_length=150, blank=True, default="")
    signatory_title = models.CharField(
        pgettext_lazy("person", "position"), max_length=150, blank=True, default=""
    )
    signatory_in_text = models.CharField(
        _("signatory in running text"),
        max_length=250,
        blank=True,
        default="",
        help_text=_(
            "As contracts have it after “represented by”, in the case that your language wants there."
        ),
    )
    signatory_basis = models.CharField(
        _("signs on the basis of"),
        max_length=150,
        blank=True,
        default="",
        help_text=_("A charter, a power of attorney."),
    )
    tax_percent = models.DecimalField(
        _("VAT, %"),
        max_digits=5,
        decimal_places=2,
        null=True,
        blank=True,
        validators=[MinValueValidator(0), MaxValueValidator(100)],
        help_text=_("What prices include; empty where you pay none."),
    )
    number_prefix = models.CharField(
        _("prefix of numbers"),
        max_length=8,
        blank=True,
        default="",
        validators=[RegexValidator(r"^[\w-]*$", _("Letters, digits and hyphens."))],
        help_text=_(
            "Sets papers of this company apart from those of your others, which count for themselves."
        ),
    )
    # {"en": {"signatory_name": "O. Novikova"}}: what papers in a language say where it is not what stands above.
    translations = models.JSONField(
        _("in other languages"), default=dict, db_default={}, blank=True, validators=[check_translations]
    )
    logo = models.ForeignKey(
        Blob,
        verbose_name=_("logo"),
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        editable=False,
        related_name="+",
    )
    is_default = models.BooleanField(
        _("usual one"), default=False, help_text=_("Papers are written in its name.")
    )

    objects = ScopedQuerySet.as_manager()
    access = Rule(shared=True)
    short_list = "An organization has a few companies."

    class Meta:
        verbose_name = _("company of ours")
        verbose_name_plural = _("companies of ours")
        permissions = [("archive_legalentity", _("Can archive and restore companies of ours"))]
        constraints = [
            models.UniqueConstraint(
                fields=["number_prefix"],
                condition=models.Q(archived_at=None),
                name="legal_entity_prefix_unique",
                violation_error_message=_(
                    "Another company of yours has this prefix: their numbers would collide."
                ),
            ),
            models.UniqueConstraint(
                fields=["is_default"],
                condition=models.Q(is_default=True),
                name="legal_entity_one_default",
                violation_error_message=_("Another company is the usual one."),
            ),
            models.CheckConstraint(
                condition=models.Q(is_default=False) | models.Q(archived_at=None),
                name="legal_entity_default_active",
                violation_error_message=_("The usual company stays: make another the usual one first."),
            ),
        ]

    def __str__(self) -> str:
        return self.name

    def said(self, name: str, language: str) -> str:
        """Return what papers in a language say of it under the name of a column."""
        own = self.translations.get(language, {}).get(name, "") if name in WORDED else ""
        return str(own or getattr(self, name))


class NumberSequence(models.Model):
    """How far a series of numbers has come in a year; only ever raised, in the transaction that uses the number."""

    series = models.CharField(_("series"), max_length=100)
    # 0 for a series that runs on from year to year.
    year = models.PositiveSmallIntegerField(_("year"))
    last = models.BigIntegerField(_("last number"))

    class Meta:
        verbose_name = _("series of numbers")
        verbose_name_plural = _("series of numbers")
        constraints = [
            models.UniqueConstraint(fields=["series", "year"], name="number_sequence_unique"),
            models.CheckConstraint(condition=models.Q(last__gt=0), name="number_sequence_positive"),
        ]

    def __str__(self) -> str:
        return f"{self.series} {self.year}"


class Template(Stamped, Versioned, Archivable):
    """What papers of one sort are made from, in one language."""

    class Kind(models.TextChoices):
        DOCX = "DOCX", _("Word")
        TYPST = "TYPST", "Typst"

    code = models.SlugField(_("code"), max_length=50)
    name = models.CharField(_("name"), max_length=150)
    kind = models.CharField(_("made with"), max_length=8, choices=Kind, default=Kind.DOCX)
    locale = models.CharField(_("language"), max_length=8, choices=settings.LANGUAGES)
    document_type = models.ForeignKey(
        DocumentType,
        verbose_name=_("makes"),
        on_delete=models.PROTECT,
        related_name="templates",
    )
    # What its facts are about, as in "crm.deal"; empty for a paper about nothing in particular.
    source = models.CharField(_("about"), max_length=64, blank=True, default="")
    description = models.TextField(_("notes"), blank=True, default="")
    # The platform's own; a release that changes them brings their next version.
    is_shipped = models.BooleanField(_("comes with the platform"), default=False, editable=False)
    current_version = models.ForeignKey(
        "documents.TemplateVersion",
        verbose_name=_("version in use"),
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        editable=False,
        related_name="+",
    )

    objects = ScopedQuerySet.as_manager()
    access = Rule(shared=True)
    short_list = "An organization writes some dozens of templates."

    class Meta:
        verbose_name = _("template")
        verbose_name_plural = _("templates")
        permissions = [
            ("archive_template", _("Can archive and restore templates")),
            ("publish_template", _("Can publish versions of templates")),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["code", "locale"],
                name="template_code_locale_unique",
                violation_error_message=_("There is a template of this code in this language already."),
            ),
        ]

    def __str__(self) -> str:
        return self.name


class TemplateVersion(models.Model):
    """One state of a template: its file or source, and what it asks for. Published ones never change."""

    template = models.ForeignKey(
        Template,
        verbose_name=_("template"),
        on_delete=models.CASCADE,
        related_name="versions",
        db_index=False,
    )
    number = models.PositiveIntegerField(_("version"))
    # Of Word templates.
    blob = models.ForeignKey(
        Blob, verbose_name=_("file"), on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    file_name = models.CharField(_("file name"), max_length=255, blank=True, default="")
    # Of Typst templates.
    text = models.TextField(_("source text"), blank=True, default="")
    # What people are asked for: see `apps.documents.declarations`.
    variables = models.JSONField(_("what is asked"), default=list, blank=True)
    # What the file or source names, dotted: "deal.title", "lines[].name".
    found = models.JSONField(_("what it names"), default=list, blank=True, editable=False)
    comment = models.CharField(_("comment"), max_length=500, blank=True, default="")
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("created by"),
        on_delete=models.PROTECT,
        null=True,
        related_name="+",
        db_index=False,
    )
    published_at = models.DateTimeField(_("published"), null=True, blank=True, editable=False)

    objects = ScopedQuerySet.as_manager()
    access = Rule(via=("template",))

    class Meta:
        verbose_name = _("version of a template")
        verbose_name_plural = _("versions of templates")
        constraints = [
            models.UniqueConstraint(fields=["template", "number"], name="template_version_unique"),
            models.CheckConstraint(
                condition=models.Q(blob__isnull=False, text="")
                | models.Q(models.Q(blob=None) & ~models.Q(text="")),
                name="template_version_one_content",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.template} · {self.number}"


class Generation(models.Model):
    """One paper that was asked for: from which template, of which facts, and what came of it."""

    template_version = models.ForeignKey(
        TemplateVersion, verbose_name=_("template"), on_delete=models.PROTECT, related_name="generations"
    )
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("asked by"),
        on_delete=models.PROTECT,
        related_name="+",
        db_index=False,
    )
    legal_entity = models.ForeignKey(
        LegalEntity, verbose_name=_("in whose name"), on_delete=models.PROTECT, null=True, related_name="+"
    )
    # What it is about: "crm.deal" and the key; empty and None for a paper about nothing.
    target_model = models.CharField(_("about"), max_length=64, blank=True, default="")
    target_id = models.BigIntegerField(_("id"), null=True)
    target_role = models.CharField(
        max_length=16, choices=DocumentLink.Role, default=DocumentLink.Role.ATTACHMENT
    )
    title = models.CharField(_("title"), max_length=300)
    paper_date = models.DateField(_("date of the paper"))
    # As they were when it was asked for: what is made does not depend on when a worker comes to it.
    inputs = models.JSONField(_("what was typed"), default=dict, encoder=DjangoJSONEncoder)
    data = models.JSONField(_("facts"), default=dict, encoder=DjangoJSONEncoder)
    input_hash = models.CharField(_("digest of all that it was made of"), max_length=64)
    # Which request it was, whoever sends it again; and what was in it.
    key = models.CharField(_("key of the request"), max_length=100)
    request_hash = models.CharField(max_length=64, editable=False)
    job = models.ForeignKey(
        Job, verbose_name=_("job"), on_delete=models.SET_NULL, null=True, related_name="+"
    )
    document = models.ForeignKey(
        Document, verbose_name=_("document"), on_delete=models.CASCADE, null=True, related_name="generations"
    )
    document_version = models.ForeignKey(
        DocumentVersion, verbose_name=_("version"), on_delete=models.CASCADE, null=True, related_name="+"
    )
    created_at = models.DateTimeField(_("asked"), auto_now_add=True)
    finished_at = models.DateTimeField(_("made"), null=True)

    objects = ScopedQuerySet.as_manager()
    access = Rule(owner="owner")

    class Meta:
        verbose_name = _("paper being made")
        verbose_name_plural = _("papers being made")
        default_permissions = ("view",)
        constraints = [
            models.UniqueConstraint(fields=["owner", "key"], name="generation_key_unique"),
        ]
        indexes = [models.Index(fields=["owner", "-id"], name="generation_owner_latest")]

    def __str__(self) -> str:
        return self.title

"""
What the sales side keeps about people outside, and what becomes of it when one of them is erased.

See `apps.common.personal` for the words.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from django.db.models import Case, CharField, F, Q, QuerySet, Value, When
from django.db.models.functions import Cast, Coalesce, Concat, Now
from django.utils.translation import gettext_lazy as _

from apps.common.personal import Kept, Place, Subject, Turn, declare_place, not_personal, telling_columns
from apps.crm import models
from apps.crm.models import (
    Activity,
    ActivityLink,
    ActivityVersion,
    AutomationRun,
    Consent,
    ContactPoint,
    Disclosure,
    Employment,
    ImportBatch,
    ImportRow,
    Lead,
    LeadArrival,
    Mail,
    Person,
    Quote,
    UnmatchedMail,
)
from apps.crm.services import disclosing
from apps.crm.services.imports import clear_file

_NUMBERED = Concat(Value("№ "), Cast("pk", CharField()))
_ARCHIVED = {"archived_at": Coalesce(F("archived_at"), Now())}
_EMAIL = ContactPoint.Kind.EMAIL


def declare() -> None:
    """Declare it; called when the app is ready."""
    _declare_person()
    _declare_talks()
    _declare_leads()
    _declare_papers()
    _declare_imports()
    _declare_others()


def _declare_person() -> None:
    declare_place(
        Place(
            Person,
            {
                "given_name": _NUMBERED,
                **dict.fromkeys(["family_name", "middle_name", "job_title", "locale", "description"], ""),
                **dict.fromkeys(["external_source", "external_id"], ""),
                "custom": {},
            },
            lambda subject: Person.objects.filter(pk__in=subject.people),
            also=_ARCHIVED | {"erased_at": Coalesce(F("erased_at"), Now())},
        )
    )
    not_personal(Person, "Made of the others by the database.", "full_name")
    declare_place(
        Place(
            ContactPoint,
            {"raw": "", "value": ""},
            lambda subject: ContactPoint.objects.filter(person__in=subject.people),
            also=_ARCHIVED,
        )
    )
    declare_place(
        Place(
            Consent,
            {"note": ""},
            lambda subject: Consent.objects.filter(contact_point__person__in=subject.people),
        )
    )
    declare_place(
        Place(
            Employment,
            {"title": ""},
            lambda subject: Employment.objects.filter(person__in=subject.people),
        )
    )


def _declare_talks() -> None:
    declare_place(Place(Activity, {"subject": "", "body": "", "details": {}}, _activities))
    not_personal(Activity, "The type of a fact.", "fact")
    declare_place(
        Place(
            ActivityVersion,
            {"subject": "", "body": ""},
            partial(_of, ActivityVersion, "activity", "crm.activity"),
        )
    )
    not_personal(ActivityVersion, "Whether somebody was reached.", "outcome")
    queued, failed = Mail.State.QUEUED, Mail.State.FAILED
    declare_place(
        Place(
            Mail,
            {
                **dict.fromkeys(["sender", "sender_name", "html", "error"], ""),
                **{name: [] for name in ("to", "cc", "left_out")},
            },
            partial(_of, Mail, "activity", "crm.activity"),
            also={"state": Case(When(state=queued, then=Value(failed)), default=F("state"))},
        )
    )
    by_its_id = "By which a letter that comes once more is known."
    not_personal(Mail, by_its_id, "message_id", "in_reply_to", "references")
    waiting, dismissed = UnmatchedMail.State.WAITING, UnmatchedMail.State.DISMISSED
    declare_place(
        Place(
            UnmatchedMail,
            {**dict.fromkeys(["sender", "sender_name", "subject", "excerpt"], ""), "raw": None},
            lambda subject: UnmatchedMail.objects.filter(sender__in=subject.values(_EMAIL)),
            also={"state": Case(When(state=waiting, then=Value(dismissed)), default=F("state"))},
        )
    )
    not_personal(UnmatchedMail, by_its_id, "message_id")


def _declare_leads() -> None:
    contacts = [f"{kind}{form}" for kind in ("email", "phone", "telegram") for form in ("", "_value")]
    declare_place(
        Place(
            Lead,
            {
                "name": _NUMBERED,
                **dict.fromkeys([*contacts, "company_name", "message", "country", "language"], ""),
                **dict.fromkeys(["next_step", "disqualify_note", "external_source", "external_id"], ""),
                "custom": {},
            },
            _leads,
            also=_ARCHIVED,
        )
    )
    not_personal(Lead, "Which rule has given it to whom.", "assigned_because")
    not_personal(Lead, "Made of the others by the database.", "words")
    declare_place(
        Place(LeadArrival, {"values": {}, "extra": {}}, partial(_of, LeadArrival, "lead", "crm.lead"))
    )
    not_personal(LeadArrival, "The site, and its own name for the message.", "origin", "submission_id")


def _declare_papers() -> None:
    declare_place(
        Place(
            Quote,
            {
                **dict.fromkeys(["recipient_name", "recipient_email", "introduction"], ""),
                **dict.fromkeys(["decided_by_name", "decided_agent", "rejected_reason"], ""),
                "decided_address": None,
            },
            lambda subject: Quote.objects.filter(deal__person__in=subject.people),
            kept=(
                Kept(
                    "sent",
                    lambda subject: ~Q(status=Quote.Status.DRAFT),
                    _(
                        "What was offered, and how it was answered, is a business letter that the law wants kept."
                    ),
                ),
            ),
            hidden=("link", "token_digest"),
        )
    )
    not_personal(
        Quote,
        "What is offered, and digests.",
        *("number", "currency", "terms", "taxes", "paper_digest", "link", "token_digest", "locale"),
    )
    declare_place(
        Place(
            Disclosure,
            {"storage_name": "", "sha256": ""},
            lambda subject: Disclosure.objects.filter(person__in=subject.people, expired_at=None),
            goes="The file is removed.",
            erase=_clear_disclosures,
            turn=Turn.FOLLOWING,
            is_told=False,
        )
    )
    declare_place(
        Place(
            AutomationRun,
            {"why": "", "results": []},
            lambda subject: AutomationRun.objects.filter(
                subject__in=[
                    f"{label}/{key}" for label in ("person", "lead") for key in subject.of(f"crm.{label}")
                ]
            ),
            turn=Turn.FOLLOWING,
            is_told=False,
            is_searched=True,
        )
    )
    not_personal(AutomationRun, "Names of kinds, and a key.", "event_type", "subject")


def _declare_imports() -> None:
    declare_place(Place(ImportRow, {"data": {}, "errors": None}, _import_rows))
    declare_place(
        Place(
            ImportBatch,
            {"storage_name": "", "sample": []},
            lambda subject: ImportBatch.objects.filter(pk__in=_import_rows(subject).values("batch_id")),
            goes="The file is removed; what was imported from it stays.",
            kept=(
                Kept(
                    "under_way",
                    lambda subject: Q(state__in=[ImportBatch.State.REHEARSING, ImportBatch.State.APPLYING]),
                    _("The import is under way; its file is removed when its time is over."),
                ),
            ),
            erase=_clear_imports,
            is_told=False,
        )
    )
    not_personal(
        ImportBatch,
        "What the file is called, how it is read, and what its columns are.",
        *(name for name in telling_columns(ImportBatch) if name not in {"storage_name", "sample"}),
    )


_BUSINESS = (
    "Says what is sold and how it goes, in the words of colleagues; it belongs to the deal, which stays."
)
_OWN_WORDS = "Words and rules of our own, about nobody outside."
_COUNTS = "Keys, counts and sums."
_ORGANISATION = "Says something about an organization."
_NOT_PERSONAL = {
    **dict.fromkeys(["Deal", "DealLine", "QuoteLine", "StageTransition", "StageApproval"], _BUSINESS),
    **dict.fromkeys(
        [
            *(
                "Tag",
                "LostReason",
                "Product",
                "Pipeline",
                "Stage",
                "CustomField",
                "PriceBook",
                "PriceBookEntry",
            ),
            *("Source", "DisqualifyReason", "AssignmentRule", "AutomationRule", "LeadForm", "ConsentText"),
            *("CurrencyRate", "SalesPlan", "Absence", "ImportMapping", "ImportReference"),
        ],
        _OWN_WORDS,
    ),
    **dict.fromkeys(
        [
            *("ActivityLink", "ActivityMention", "ActivityAttachment", "Timeline", "TimelineChange"),
            *("Board", "BoardChange", "DealParticipant", "DuplicatePair", "DuplicateDismissal"),
            *("FunnelCell", "FunnelMark", "ForecastSnapshot", "Erasure"),
        ],
        _COUNTS,
    ),
    "Company": _ORGANISATION,
}


def _declare_others() -> None:
    for name, why in _NOT_PERSONAL.items():
        not_personal(getattr(models, name), why)


def _of(model: Any, path: str, label: str, subject: Subject) -> QuerySet[Any]:
    rows: QuerySet[Any] = model._base_manager.filter(**{f"{path}__in": subject.of(label)})
    return rows


def _activities(subject: Subject) -> QuerySet[Any]:
    """Find what is about the person, and letters from them and to them, whatever those are about."""
    letters = Q(pk__in=[])
    for address in subject.values(_EMAIL):
        letters |= Q(sender__iexact=address) | Q(to__contains=[address]) | Q(cc__contains=[address])
    # Each by its own index; one condition on both would go through all activities.
    about = ActivityLink.objects.filter(person__in=subject.people).order_by().values("activity_id")
    return Activity.objects.filter(
        pk__in=about.union(Mail._base_manager.filter(letters).order_by().values("activity_id"))
    )


def _leads(subject: Subject) -> QuerySet[Any]:
    """Find the leads that became the person, and those that left the same contacts."""
    condition = Q(converted_person__in=subject.people)
    for kind, column in (("EMAIL", "email_value"), ("PHONE", "phone_value"), ("TELEGRAM", "telegram_value")):
        condition |= Q(**{f"{column}__in": subject.values(kind)})
    return Lead.objects.filter(condition)


def _import_rows(subject: Subject) -> QuerySet[Any]:
    people = Q(batch__kind=ImportBatch.Kind.PEOPLE, target_id__in=subject.people)
    leads = Q(batch__kind=ImportBatch.Kind.LEADS, target_id__in=subject.of("crm.lead"))
    # The keys alone first, by their index.
    keys = [*subject.people, *subject.of("crm.lead")]
    return ImportRow.objects.filter(people | leads, target_id__in=keys)


def _clear_imports(keys: Sequence[int], context: Mapping[str, Any]) -> None:
    for batch_id in keys:
        clear_file(batch_id)


def _clear_disclosures(keys: Sequence[int], context: Mapping[str, Any]) -> None:
    for disclosure_id in keys:
        disclosing.clear(disclosure_id)

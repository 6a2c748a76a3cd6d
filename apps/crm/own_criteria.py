"""The kinds of criteria that the sales side itself knows: fields, documents, quotes, approvals."""

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

from django.contrib.contenttypes.models import ContentType
from django.db.models import Exists, OuterRef
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext, pgettext_lazy
from django.utils.translation import gettext_lazy as _

from apps.crm.criteria import Asked, Kind, Params, Step, register_criterion
from apps.crm.custom import PREFIX
from apps.crm.models import Company, CustomField, Deal, DealLine, Person, Quote, StageApproval
from apps.documents.models import Document, DocumentLink, DocumentType

_Choices = list[tuple[str, str | Promise]]
# Of each row, what may be asked to be filled in.
_FIELDS: dict[str, tuple[type[Any], tuple[str, ...]]] = {
    "deal": (
        Deal,
        ("amount", "company", "person", "expected_close_date", "next_step", "next_step_date", "description"),
    ),
    "company": (Company, ("legal_name", "tax_id", "industry", "country", "city")),
    "person": (Person, ("family_name", "job_title")),
}
_LINES = "deal.lines"


def declare() -> None:
    """Let stages ask for what the sales side knows of."""
    register_criterion(
        Kind("field", _("Something is filled in"), _are_filled, _field_names, _fill, "field", _fields)
    )
    register_criterion(
        Kind(
            "document",
            _("A document is there"),
            _are_documents_there,
            _document_names,
            _make_document,
            *("type", _types, "status", _statuses),
        )
    )
    register_criterion(
        Kind("quote", _("A quote is accepted"), _are_quotes_accepted, _quote_names, _send_quote)
    )
    register_criterion(
        Kind("approval", _("Somebody approves it"), _are_approved, _approval_names, _ask_approval)
    )


def _page(deal_id: int, place: str) -> str:
    return f"{reverse('admin:crm_deal_change', args=[deal_id])}#{place}"


# Fields


def _fields() -> _Choices:
    return [*_plain_fields(), *_further_fields()]


def _plain_fields() -> _Choices:
    named = [
        (f"{row}.{name}", _label_of(model, name)) for row, (model, names) in _FIELDS.items() for name in names
    ]
    return [*named, (_LINES, _("lines"))]


def _further_fields() -> _Choices:
    return [
        (f"{field.model}.{field.name}", _of_label(field.label, _FIELDS[field.model][0]))
        for field in CustomField.objects.active()
        .filter(model__in=_FIELDS)
        .order_by("model", "position", "id")
    ]


def _label_of(model: type[Any], name: str) -> str:
    return _of_label(model._meta.get_field(name).verbose_name, model)


def _of_label(label: Any, model: type[Any]) -> str:
    if model is Deal:
        return str(label)
    return gettext("%(field)s (%(of)s)") % {"field": label, "of": model._meta.verbose_name}


def _field_names(wanted: Sequence[Params]) -> list[str]:
    named = dict(_plain_fields())
    if any(params["field"] not in named for params in wanted):
        named |= dict(_further_fields())
    return [str(named.get(params["field"], params["field"])) for params in wanted]


def _are_filled(asked: Sequence[Asked]) -> list[bool]:
    names = sorted({one.criterion.params["field"] for one in asked} - {_LINES})
    paths = {name: name.removeprefix("deal.").replace(".", "__") for name in names}
    rows = Deal.objects.filter(pk__in={one.deal_id for one in asked}).annotate(
        has_lines=Exists(DealLine.objects.filter(deal=OuterRef("pk")))
    )
    values = {row["pk"]: row for row in rows.values("pk", "has_lines", *paths.values())}

    def is_filled(one: Asked) -> bool:
        name = one.criterion.params["field"]
        row = values.get(one.deal_id, {})
        if f".{PREFIX}" in name:
            # A no is an answer too.
            return row.get(paths[name]) not in (None, "")
        return row.get("has_lines" if name == _LINES else paths[name]) not in (None, "", False)

    return [is_filled(one) for one in asked]


def _fill(one: Asked) -> Step:
    row, _dot, name = one.criterion.params["field"].partition(".")
    if row == "deal":
        return Step(gettext("Fill it in"), _page(one.deal_id, "lines" if name == "lines" else f"id_{name}"))
    column = f"{row}_id"
    key = Deal.objects.filter(pk=one.deal_id).values_list(column, flat=True).first()
    if key is None:
        return Step(gettext("Say who it is"), _page(one.deal_id, f"id_{row}"))
    return Step(gettext("Fill it in"), f"{reverse(f'admin:crm_{row}_change', args=[key])}#id_{name}")


# Documents


def _types() -> _Choices:
    return list(DocumentType.objects.order_by("name").values_list("code", "name"))


def _statuses() -> _Choices:
    return [
        ("ANY", pgettext_lazy("document that a stage asks for", "in any state")),
        ("APPROVED", pgettext_lazy("document that a stage asks for", "approved or signed")),
        ("SIGNED", pgettext_lazy("document that a stage asks for", "signed")),
    ]


_COUNT_AS = {
    "ANY": {
        Document.Status.DRAFT,
        Document.Status.IN_REVIEW,
        Document.Status.APPROVED,
        Document.Status.SIGNED,
    },
    "APPROVED": {Document.Status.APPROVED, Document.Status.SIGNED},
    "SIGNED": {Document.Status.SIGNED},
}


def _document_names(wanted: Sequence[Params]) -> list[str]:
    named = dict(_types())
    said = {
        "ANY": gettext("a document “%(type)s”"),
        "APPROVED": gettext("an approved document “%(type)s”"),
        "SIGNED": gettext("a signed document “%(type)s”"),
    }
    return [said[params["status"]] % {"type": named.get(params["type"], params["type"])} for params in wanted]


def _are_documents_there(asked: Sequence[Asked]) -> list[bool]:
    links = DocumentLink.objects.filter(
        target_type=ContentType.objects.get_for_model(Deal),
        target_id__in={one.deal_id for one in asked},
        document__archived_at=None,
        document__type__code__in={one.criterion.params["type"] for one in asked},
    )
    there: dict[tuple[int, str], set[str]] = {}
    for deal_id, code, status in links.values_list("target_id", "document__type__code", "document__status"):
        there.setdefault((deal_id, code), set()).add(status)

    def is_there(one: Asked) -> bool:
        params = one.criterion.params
        found = there.get((one.deal_id, params["type"]), set())
        return bool(found & _COUNT_AS[params["status"]])

    return [is_there(one) for one in asked]


def _make_document(one: Asked) -> Step:
    query = urlencode({"target": f"crm.deal:{one.deal_id}"})
    return Step(gettext("Generate it"), f"{reverse('admin:documents_generate')}?{query}")


# Quotes


def _quote_names(wanted: Sequence[Params]) -> list[str]:
    return [gettext("an accepted quote")] * len(wanted)


def _are_quotes_accepted(asked: Sequence[Asked]) -> list[bool]:
    accepted = Quote.objects.filter(deal__in={one.deal_id for one in asked}, status=Quote.Status.ACCEPTED)
    there = set(accepted.values_list("deal_id", flat=True))
    return [one.deal_id in there for one in asked]


def _send_quote(one: Asked) -> Step:
    return Step(gettext("Send one"), _page(one.deal_id, "quotes"))


# Approvals


def _approval_names(wanted: Sequence[Params]) -> list[str]:
    return [gettext("the approval of a lead")] * len(wanted)


def _are_approved(asked: Sequence[Asked]) -> list[bool]:
    approved = StageApproval.objects.filter(
        deal__in={one.deal_id for one in asked}, decision=StageApproval.Decision.APPROVED
    )
    there = set(approved.values_list("deal_id", "stage_id", "criterion"))
    return [(one.deal_id, one.stage_id, one.criterion.key) in there for one in asked]


def _ask_approval(one: Asked) -> Step:
    return Step(gettext("Ask for it"), _page(one.deal_id, "contract"))

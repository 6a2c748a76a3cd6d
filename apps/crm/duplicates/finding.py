"""Rows that may be the same as one that is there, or that is about to be made; within the policy, and by indexes."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.conf import settings
from django.contrib.postgres.expressions import ArraySubquery
from django.contrib.postgres.search import TrigramSimilarity
from django.core.exceptions import ValidationError
from django.db.models import F, FloatField, Model, OuterRef, Q, QuerySet, TextField, Value
from django.db.models.expressions import RawSQL
from django.db.models.functions import Cast, Concat, Upper

from apps.accounts.models import User
from apps.crm.contact_points import normalise
from apps.crm.duplicates.likeness import LEAST_SCORE, Found, Reason, distinct, score_of, tax_keys
from apps.crm.models import Company, ContactPoint, DuplicateDismissal, Employment, Person
from apps.crm.models.companies import NameCore, TaxKey

Row = Company | Person
# So many are looked at for each reason, and so many shown.
_PER_REASON, SHOWN = 20, 5
# Of people at one company: names that have this much in common.
_LEAST_LIKENESS = 0.45
_LONGEST = 300


@dataclass(frozen=True)
class Probe:
    """
    What is known of a row that others may be the same as.

    :ivar contacts: pairs of kind and normalised value
    :ivar company_ids: where a person works
    :ivar own_id: of the row itself, where it is there already
    """

    name: str = ""
    tax_id: str = ""
    country: str = ""
    domain: str = ""
    external_id: str = ""
    contacts: tuple[tuple[str, str], ...] = ()
    company_ids: tuple[int, ...] = ()
    own_id: int | None = None


@dataclass
class Candidate:
    """A row that may be the same, and why."""

    row: Any
    reasons: list[Found] = field(default_factory=list)

    @property
    def score(self) -> int:
        return score_of(self.reasons)


def candidates(row: Row, *, actor: User, most: int = SHOWN) -> list[Candidate]:
    """
    List the rows that `actor` sees and that may be the same as one that is there, the likeliest first: three queries.

    Rows out of sight are not spoken of, not even that there are some: that would tell that somebody knows the company.
    """
    return find(type(row), probe_of(row), actor=actor, most=most)


def probe_of(row: Row) -> Probe:
    """Return what is known of a row: one query."""
    column = "company" if isinstance(row, Company) else "person"
    points = ContactPoint.objects.active().filter(**{column: OuterRef("pk")})
    known = (
        type(row)
        ._base_manager.filter(pk=row.pk)
        .annotate(
            points=ArraySubquery(
                points.annotate(both=Concat("kind", Value(" "), "value", output_field=TextField())).values(
                    "both"
                )
            )
        )
    )
    if isinstance(row, Person):
        work = Employment.objects.filter(person=OuterRef("pk")).values("company_id")
        known = known.annotate(companies=ArraySubquery(work))
    values: Any = known.values().get()
    return Probe(
        name=str(row),
        tax_id=values.get("tax_id", ""),
        country=values.get("country", ""),
        domain=values.get("domain", ""),
        external_id=values["external_id"],
        contacts=tuple((kind, value) for kind, _space, value in (p.partition(" ") for p in values["points"])),
        company_ids=tuple(values.get("companies", ())),
        own_id=row.pk,
    )


def probe_from(values: Mapping[str, Any], contacts: Iterable[tuple[str, str]] = ()) -> Probe:
    """
    Return what is known of a row that is being written.

    :param values: fields as the services take them; what is no contact yet is passed over
    """
    name = values.get("name") or " ".join(
        part for part in (values.get("given_name", ""), values.get("family_name", "")) if part
    )
    points = []
    for kind, raw in contacts:
        try:
            points.append((kind, normalise(kind, raw, settings.PHONE_REGION)))
        except ValidationError:
            continue
    company_id = values.get("company_id")
    return Probe(
        name=str(name).strip()[:_LONGEST],
        tax_id=str(values.get("tax_id", ""))[:_LONGEST],
        country=str(values.get("country", "")),
        domain=str(values.get("domain", "")).strip().lower(),
        external_id=str(values.get("external_id", "")),
        contacts=tuple(points),
        company_ids=(company_id,) if company_id else (),
    )


def find(
    model: type[Company] | type[Person], probe: Probe, *, actor: User, most: int = SHOWN
) -> list[Candidate]:
    """List the rows that `actor` sees and that may be the one that a probe tells of: two queries."""
    seen: Any = model.objects.visible_to(actor).active()
    if probe.own_id is not None:
        seen = seen.exclude(pk=probe.own_id)
    parts = _of_company(seen, probe) if model is Company else _of_person(seen, probe)
    parts += _by_contacts(seen, model, probe)
    if not parts:
        return []
    first, *others = parts
    reasons: dict[int, list[Found]] = {}
    for pk, reason, detail, likeness in first.union(*others, all=True) if others else first:
        reasons.setdefault(pk, []).append(Found(Reason(reason), detail, likeness))
    rows = seen.filter(pk__in=reasons).exclude(_dismissed(model, probe.own_id)).select_related("owner")
    found = [Candidate(row, distinct(reasons[row.pk])) for row in rows]
    likely = [one for one in found if one.score >= LEAST_SCORE]
    return sorted(likely, key=lambda one: (-one.score, one.row.pk))[:most]


def _dismissed(model: type[Model], own_id: int | None) -> Q:
    """Return which rows somebody has said are not the same as one's own."""
    if own_id is None:
        return Q(pk__in=[])
    pairs = DuplicateDismissal.objects.filter(kind=model._meta.label_lower)
    return Q(pk__in=pairs.filter(first_id=own_id).values("second_id")) | Q(
        pk__in=pairs.filter(second_id=own_id).values("first_id")
    )


def _part(
    rows: Any, reason: Reason, *, detail: Any = "", likeness: Any = 1.0, key: str = "pk"
) -> QuerySet[Any, Any]:
    said = detail if hasattr(detail, "resolve_expression") else Value(detail)
    likeness = likeness if hasattr(likeness, "resolve_expression") else Value(likeness)
    part: QuerySet[Any, Any] = rows.annotate(
        reason=Value(reason.value, TextField()),
        detail=Cast(said, TextField()),
        likeness=Cast(likeness, FloatField()),
    ).values_list(key, "reason", "detail", "likeness")[:_PER_REASON]
    return part


def _of_company(seen: Any, probe: Probe) -> list[QuerySet[Any, Any]]:
    parts = _by_external_id(seen, probe)
    keys = tax_keys(probe.tax_id, probe.country)
    if keys:
        same = seen.exclude(tax_id="").annotate(key=TaxKey("tax_id")).filter(key__in=sorted(keys))
        parts.append(_part(same, Reason.TAX_ID, detail=F("tax_id")))
    domains = _domains(probe)
    if domains:
        same = seen.exclude(domain="").filter(domain__in=domains)
        parts.append(_part(same, Reason.DOMAIN, detail=F("domain")))
    if probe.name:
        core: Any = NameCore(Value(probe.name))
        like = RawSQL("select crm_similar_companies(crm_name_core(%s))", [probe.name])
        alike = seen.filter(pk__in=like).annotate(alike=TrigramSimilarity(NameCore("name"), core))
        parts.append(_part(alike.order_by("-alike", "pk"), Reason.NAME, likeness=F("alike")))
    return parts


def _domains(probe: Probe) -> list[str]:
    """Return the domain as it may be written, and those that mail goes to."""
    domain = probe.domain.removeprefix("www.")
    written = {domain, f"www.{domain}"} if domain else set()
    mail = {value.partition("@")[2] for kind, value in probe.contacts if kind == ContactPoint.Kind.EMAIL}
    return sorted(written | mail)


def _of_person(seen: Any, probe: Probe) -> list[QuerySet[Any, Any]]:
    parts = _by_external_id(seen, probe)
    if not probe.name:
        return parts
    name: Any = Upper(Value(probe.name))
    alike = seen.annotate(alike=TrigramSimilarity(Upper("full_name"), name))
    like = RawSQL("select crm_similar_people(%s)", [probe.name])
    parts.append(_part(alike.filter(pk__in=like).order_by("-alike", "pk"), Reason.NAME, likeness=F("alike")))
    if probe.company_ids:
        work = Employment.objects.filter(company__in=probe.company_ids)
        colleagues = alike.filter(pk__in=work.values("person"), alike__gte=_LEAST_LIKENESS)
        parts.append(_part(colleagues.order_by("-alike", "pk"), Reason.NAME_AND_COMPANY, likeness=F("alike")))
    return parts


def _by_external_id(seen: Any, probe: Probe) -> list[QuerySet[Any, Any]]:
    if not probe.external_id:
        return []
    same = seen.exclude(external_id="").filter(external_id=probe.external_id)
    return [_part(same, Reason.EXTERNAL_ID, detail=F("external_id"))]


def _by_contacts(seen: Any, model: type[Model], probe: Probe) -> list[QuerySet[Any, Any]]:
    """
    Find who is reached by the same now, which a row that is there cannot share with anybody, or was before.
    """
    if not probe.contacts:
        return []
    column = "company" if model is Company else "person"
    same = Q(pk__in=[])
    for kind in sorted({kind for kind, _value in probe.contacts}):
        same |= Q(kind=kind, value__in=[value for of, value in probe.contacts if of == kind])
    points = ContactPoint.objects.filter(same, **{f"{column}__in": seen})
    return [
        _part(those, reason, detail=F("value"), key=f"{column}_id")
        for reason, those in (
            (Reason.CONTACT, points.active()),
            (Reason.FORMER_CONTACT, points.filter(archived_at__isnull=False)),
        )
    ]

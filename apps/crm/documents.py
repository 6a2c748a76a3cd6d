"""What papers tell of deals, companies and people, to whom the policy lets see them."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from apps.accounts import access
from apps.accounts.models import User
from apps.crm.models import Company, ContactPoint, Deal, Person, Quote
from apps.documents.amounts import Line, Money, Totals
from apps.documents.declarations import Type
from apps.documents.sources import Fact, register_source

_COMPANY = (
    Fact("company.name", _("company")),
    Fact("company.full_name", _("its full legal name")),
    Fact("company.tax_id", _("its tax id")),
    Fact("company.address", _("its country and city")),
    Fact("company.phone", _("its phone")),
    Fact("company.email", _("its e-mail")),
)
_PERSON = (
    Fact("person.full_name", _("contact person")),
    Fact("person.given_name", _("their first name")),
    Fact("person.family_name", _("their last name")),
    Fact("person.job_title", pgettext_lazy("person", "position")),
    Fact("person.phone", _("their phone")),
    Fact("person.email", _("their e-mail")),
)
_OWNER = (Fact("owner.name", _("owner")), Fact("owner.email", _("the owner's e-mail")))
_DEAL = (
    Fact("deal.number", _("number of the deal")),
    Fact("deal.title", _("title of the deal")),
    Fact("deal.amount", _("amount of the deal"), Type.MONEY),
    Fact("deal.opened_date", _("opened"), Type.DATE),
    Fact("deal.expected_close_date", _("expected close"), Type.DATE),
    Fact("deal.description", _("notes")),
)

_QUOTE = (
    Fact("quote.number", _("number of the quote")),
    Fact("quote.revision", _("its revision")),
    Fact("quote.valid_until", _("valid until"), Type.DATE),
    Fact("quote.recipient", _("who it is for")),
    Fact("quote.introduction", _("introduction")),
    Fact("quote.terms", _("terms")),
    Fact("quote.total", _("what it comes to"), Type.MONEY),
)


def declare() -> None:
    """Let papers be about what is sold to whom."""
    register_source(
        "crm.deal",
        _("deal"),
        facts=[*_DEAL, *_COMPANY, *_PERSON, *_OWNER],
        resolve=_deal_facts,
        has_lines=True,
    )
    register_source(
        "crm.quote",
        _("quote"),
        facts=[*_QUOTE, *_DEAL, *_COMPANY, *_PERSON, *_OWNER],
        resolve=_quote_facts,
        has_lines=True,
    )
    register_source("crm.company", _("company"), facts=[*_COMPANY, *_OWNER], resolve=_company_facts)
    register_source("crm.person", _("person"), facts=[*_PERSON, *_COMPANY, *_OWNER], resolve=_person_facts)


def _deal_facts(actor: User, pk: int) -> Mapping[str, Any]:
    deal = Deal.objects.visible_to(actor).select_related("company", "person", "owner").get(pk=pk)
    amount = None if deal.amount is None else Money(deal.amount, deal.currency)
    return {
        "deal": {
            "number": deal.number,
            "title": deal.title,
            "amount": amount,
            "opened_date": deal.opened_date,
            "expected_close_date": deal.expected_close_date,
            "description": deal.description,
        },
        "company": _company(deal.company, actor),
        "person": _person(deal.person, actor),
        "owner": _owner(deal.owner),
        "currency": deal.currency,
        "lines": _lines(deal),
    }


def _quote_facts(actor: User, pk: int) -> Mapping[str, Any]:
    quote = Quote.objects.visible_to(actor).get(pk=pk)
    return {
        **_deal_facts(actor, quote.deal_id),
        "quote": {
            "number": quote.number,
            "revision": str(quote.revision),
            "valid_until": quote.valid_until,
            "recipient": quote.recipient_name,
            "introduction": quote.introduction,
            "terms": quote.terms,
            "total": Money(quote.total, quote.currency),
        },
        "currency": quote.currency,
        "lines": [
            Line(
                name=line.name,
                quantity=line.quantity,
                unit=line.unit,
                price=line.unit_price,
                discount_percent=line.discount_percent,
                comes_to=line.amount,
            )
            for line in quote.lines.select_related("quote").order_by("position")
        ],
        "totals": Totals(
            total=quote.total,
            tax=quote.tax,
            net=quote.net,
            by_rate=tuple((row["rate"], row["tax"]) for row in quote.tax_rows() if row["rate"] is not None),
        ),
    }


def _lines(deal: Deal) -> list[Line]:
    """Return what the deal consists of; a deal that nobody has taken apart is one line for all of it."""
    rows = deal.lines.select_related("product").order_by("position", "id")
    lines = [
        Line(
            name=row.name,
            quantity=row.quantity,
            unit=row.unit,
            price=row.unit_price,
            discount_percent=row.discount_percent,
        )
        for row in rows
    ]
    if lines or deal.amount is None:
        return lines
    return [Line(name=deal.title, quantity=Decimal(1), price=deal.amount)]


def _company_facts(actor: User, pk: int) -> Mapping[str, Any]:
    company = Company.objects.visible_to(actor).select_related("owner").get(pk=pk)
    return {"company": _company(company, actor), "owner": _owner(company.owner)}


def _person_facts(actor: User, pk: int) -> Mapping[str, Any]:
    person = Person.objects.visible_to(actor).select_related("owner").get(pk=pk)
    work = person.employments.filter(is_primary=True).select_related("company").first()
    return {
        "person": _person(person, actor),
        "company": _company(work.company if work else None, actor),
        "owner": _owner(person.owner),
    }


def _company(company: Company | None, actor: User) -> dict[str, str]:
    """Return a company's facts; of one that the person may not see, no more than its name, which deals show too."""
    if company is None:
        return {}
    if not access.can(actor, "view", company):
        return {"name": company.name}
    return {
        "name": company.name,
        "full_name": company.legal_name,
        "tax_id": company.tax_id,
        "address": ", ".join(part for part in (company.country, company.city) if part),
        **_contacts(company),
    }


def _person(person: Person | None, actor: User) -> dict[str, str]:
    if person is None:
        return {}
    names = {
        "full_name": " ".join(
            part for part in (person.given_name, person.middle_name, person.family_name) if part
        ),
        "given_name": person.given_name,
        "family_name": person.family_name,
    }
    if not access.can(actor, "view", person):
        return names
    return {**names, "job_title": person.job_title, **_contacts(person)}


def _contacts(holder: Company | Person) -> dict[str, str]:
    """Return the first phone and the first e-mail."""
    found: dict[str, str] = {}
    kinds = {ContactPoint.Kind.PHONE: "phone", ContactPoint.Kind.EMAIL: "email"}
    for point in holder.contact_points.active().order_by("-is_primary", "id"):
        name = kinds.get(ContactPoint.Kind(point.kind))
        if name is not None:
            found.setdefault(name, point.raw)
    return found


def _owner(owner: User | None) -> dict[str, str]:
    return {"name": owner.name, "email": owner.email or ""} if owner else {}

"""The cards of this app on the pages of deals, companies and people."""

from typing import Any

from django.http import HttpRequest
from django.urls import reverse
from django.utils.safestring import SafeString

from apps.accounts import access
from apps.accounts.faces.admin import actor_of
from apps.crm.admin.cards import register_card, render_card
from apps.crm.admin.consents import consents_card
from apps.crm.admin.deal_cards import quotes_card
from apps.crm.admin.stories import may_see
from apps.crm.models import Company, Deal, DealParticipant, Employment, Person
from apps.documents.admin.cards import documents_card

# What a card lists of what may be very much; the rest is a click away.
SHOWN = 6
# As many names are offered for a part in a deal; any other is typed.
LIKELY = 30


def _party(name: str) -> Any:
    """Return the card of a deal's company or person; more than the name only where the reader sees them."""

    def make(deal: Deal, request: HttpRequest) -> SafeString | None:
        row = getattr(deal, name)
        if row is None:
            return None
        is_visible = may_see(actor_of(request), row)
        context = {
            "kind": row._meta.verbose_name,
            "row": row,
            "url": reverse(f"admin:crm_{name}_change", args=[row.pk]) if is_visible else "",
            "contacts": row.contact_points.active().order_by("-is_primary", "id")[:SHOWN]
            if is_visible
            else [],
        }
        return render_card(request, "admin/crm/cards/party.html", context)

    return make


def _contacts(row: Company | Person, request: HttpRequest) -> SafeString | None:
    found = list(row.contact_points.active().order_by("-is_primary", "id")[: SHOWN + 1])
    return render_card(
        request, "admin/crm/cards/contacts.html", {"contacts": found[:SHOWN], "has_more": len(found) > SHOWN}
    )


def _deals(lookup: str) -> Any:
    def make(row: Company | Person, request: HttpRequest) -> SafeString | None:
        deals = Deal.objects.visible_to(actor_of(request)).active().filter(**{lookup: row})
        context = {
            "row": row,
            "deals": deals.select_related("stage", "owner").order_by("-id")[:SHOWN],
            "lookup": f"{lookup}__id__exact",
        }
        return render_card(request, "admin/crm/deals_card.html", context)

    return make


def _people(company: Company, request: HttpRequest) -> SafeString | None:
    people = Person.objects.visible_to(actor_of(request)).active().filter(employments__company=company)
    found = list(people.order_by("full_name", "id")[: SHOWN + 1])
    context = {"row": company, "people": found[:SHOWN], "has_more": len(found) > SHOWN}
    return render_card(request, "admin/crm/cards/people.html", context)


def _workplaces(person: Person, request: HttpRequest) -> SafeString | None:
    work = list(
        Employment.objects.filter(person=person).select_related("company").order_by("-is_primary", "id")
    )
    if not work:
        return None
    keys = [each.company_id for each in work]
    seen = Company.objects.visible_to(actor_of(request)).filter(pk__in=keys)
    visible = set(seen.values_list("pk", flat=True))
    places = [{"work": each, "is_visible": each.company_id in visible} for each in work]
    return render_card(request, "admin/crm/cards/workplaces.html", {"places": places})


def _group(company: Company, request: HttpRequest) -> SafeString | None:
    actor, parent = actor_of(request), company.parent
    children = Company.objects.visible_to(actor).active().filter(parent=company).order_by("name")
    found = list(children[: SHOWN + 1])
    if parent is None and not found:
        return None
    context = {
        "row": company,
        "parent": parent,
        "is_parent_visible": parent is not None and may_see(actor, parent),
        "children": found[:SHOWN],
        "has_more": len(found) > SHOWN,
    }
    return render_card(request, "admin/crm/cards/group.html", context)


def _participants(deal: Deal, request: HttpRequest) -> SafeString | None:
    found = list(deal.participants.select_related("person").order_by("-is_primary", "pk"))
    may_change = deal.archived_at is None and access.can(actor_of(request), "change", deal)
    if not (found or may_change):
        return None
    seen: set[int] = set()
    if found:
        people = Person.objects.visible_to(actor_of(request)).filter(
            pk__in=[each.person_id for each in found]
        )
        seen = set(people.values_list("pk", flat=True))
    context = {
        "row": deal,
        "rows": [{"part": each, "is_visible": each.person_id in seen} for each in found],
        "roles": DealParticipant.Role.choices,
        "may_change": may_change,
        "command_url": "admin:crm_deal_command",
        "names": _likely(deal, request) if may_change else [],
    }
    return render_card(request, "admin/crm/cards/participants.html", context)


def _likely(deal: Deal, request: HttpRequest) -> list[str]:
    """Name the people who work where the deal is made: those who most likely take part."""
    if deal.company_id is None:
        return []
    people = (
        Person.objects.visible_to(actor_of(request)).active().filter(employments__company=deal.company_id)
    )
    return list(people.order_by("full_name").values_list("full_name", flat=True)[:LIKELY])


def _documents(row: Deal | Company | Person, request: HttpRequest) -> SafeString | None:
    papers = documents_card(request, row)
    if papers is None:
        return None
    return render_card(request, "admin/documents/card.html", {"papers": papers})


def _quotes(deal: Deal, request: HttpRequest) -> SafeString | None:
    may_change = deal.archived_at is None and access.can(actor_of(request), "change", deal)
    context = {
        "row": deal,
        "quotes_card": quotes_card(deal, may_change=may_change),
        "command_url": "admin:crm_deal_command",
    }
    return render_card(request, "admin/crm/deal/quotes.html", context)


def _consents(person: Person, request: HttpRequest) -> SafeString | None:
    may_change = access.can(actor_of(request), "change", person)
    context = {"consents": consents_card(request, person, may_change=may_change)}
    return render_card(request, "admin/crm/consents/card.html", context)


register_card(Deal, "company", _party("company"), order=10)
register_card(Deal, "person", _party("person"), order=20)
register_card(Deal, "participants", _participants, order=30)
register_card(Deal, "quotes", _quotes, order=40)
register_card(Deal, "documents", _documents, order=50)
register_card(Company, "contacts", _contacts, order=10)
register_card(Company, "deals", _deals("company"), order=20)
register_card(Company, "people", _people, order=30)
register_card(Company, "documents", _documents, order=50)
register_card(Company, "group", _group, order=80)
register_card(Person, "contacts", _contacts, order=10)
register_card(Person, "workplaces", _workplaces, order=20)
register_card(Person, "deals", _deals("person"), order=30)
register_card(Person, "consents", _consents, order=60)
register_card(Person, "documents", _documents, order=50)

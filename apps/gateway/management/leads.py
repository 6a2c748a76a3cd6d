"""The leads of the demo: a form on a site, a rule, and sixty messages, some of which came to something."""

from datetime import datetime, timedelta
from random import Random

from django.utils import timezone

from apps.accounts.models import Team, User
from apps.crm.intake import Message
from apps.crm.models import DisqualifyReason, Lead, LeadForm, Person, Source, StageTransition
from apps.crm.services import lead_catalog, leads
from apps.crm.services.intake import take_message
from apps.crm.services.qualifying import qualify_lead

LEADS = 60
# Of sixty: 12 came to something, 10 to nothing, 14 are being worked on, the others are new.
_QUALIFIED, _DISQUALIFIED, _WORKING = 12, 10, 14
_GIVEN = ["Ирина", "Lars", "Мария", "Jan", "Олег", "Sofie", "Тимур", "Anke", "Павел", "Milena"]
_FAMILY = ["Воронова", "Petersen", "Кузьмина", "Dąbrowski", "Рябов", "Lund", "Алиев", "Fuchs", "Зуев", "Ilić"]
_COMPANIES = [
    "Студия «Контур»",
    "Lund & Co",
    "",
    "Dąbrowski Meble",
    "Альфа-Строй",
    "",
    "Fuchs Praxis",
    "Зуев и сыновья",
]
_WORDS = [
    "Нужны столы в новый офис, человек на тридцать. Когда можно приехать посмотреть?",
    "We are moving in spring and need about forty workplaces. Could you send an offer?",
    "Сколько стоит переговорная на восемь мест с доставкой в Тверь?",
    "Do you also do the yearly care for furniture that was bought elsewhere?",
    "Интересует акустическая кабина, одна, с монтажом.",
    "Please call me back, it is about a branch in Kraków.",
]


def make_leads(people: list[Person], team: Team, *, system: User) -> int:
    """Make them. :return: how many"""
    # Not for secrets: the same numbers every time.
    random = Random(11)  # noqa: S311
    form = _form(system)
    lead_catalog.create_rule(actor=system, name="Contact page", form_id=form.pk, to_team_id=team.pk)
    reasons = list(DisqualifyReason.objects.order_by("pk"))
    for place in range(LEADS):
        lead = _arrived(form, place, people, random)
        actor = lead.owner or system
        if place < _QUALIFIED:
            person = people[place]
            company = person.employments.values_list("company", flat=True).first()
            qualify_lead(
                lead.pk,
                actor=system,
                face=StageTransition.Face.ADMIN,
                person_id=person.pk,
                company_id=company,
            )
        elif place < _QUALIFIED + _DISQUALIFIED:
            leads.disqualify_lead(lead.pk, reason_id=random.choice(reasons).pk, actor=actor)
        elif place < _QUALIFIED + _DISQUALIFIED + _WORKING:
            leads.start_lead(lead.pk, actor=actor)
            day = timezone.localdate(timezone.now() + timedelta(days=random.randint(-2, 6)))
            leads.change_lead(lead.pk, actor=actor, next_step="Call back", next_step_date=day)
    return LEADS


def _form(system: User) -> LeadForm:
    source = Source.objects.order_by("pk").first()
    return lead_catalog.create_form(
        actor=system,
        name="Contact page",
        allowed_origins=["https://www.artel.example"],
        source_id=source.pk if source else None,
        consent_text="You may write to me about furniture for offices.",
    )


def _arrived(form: LeadForm, place: int, people: list[Person], random: Random) -> Lead:
    """Let a message arrive: the decided ones over the last weeks, the new ones lately; some of whom we know."""
    days = random.randint(4, 28) if place < _QUALIFIED + _DISQUALIFIED else random.randint(0, 5)
    at = timezone.now() - timedelta(days=days, hours=random.randint(0, 8), minutes=random.randint(1, 50))
    known = people[place] if place % 9 == 0 and place < len(people) else None
    email = f"stranger{place + 1}@leads.example"
    if known is not None:
        email = known.contact_points.filter(kind="EMAIL").values_list("raw", flat=True).get()
    values = {
        "name": str(known or f"{_GIVEN[place % len(_GIVEN)]} {_FAMILY[(place * 3) % len(_FAMILY)]}"),
        "company_name": "" if known else _COMPANIES[place % len(_COMPANIES)],
        "email": email,
        "message": _WORDS[place % len(_WORDS)],
        "language": "en" if place % 2 else "ru",
    }
    lead = _take(form, values, at, has_agreed=place % 3 == 0)
    if place % 11 == 0:
        _take(form, {"email": email, "message": _WORDS[(place + 1) % len(_WORDS)]}, at + timedelta(minutes=9))
    return lead


def _take(form: LeadForm, values: dict[str, str], at: datetime, *, has_agreed: bool = False) -> Lead:
    message = Message({name: value for name, value in values.items() if value}, has_agreed=has_agreed)
    return take_message(form.pk, message, origin="https://www.artel.example", at=at).lead

"""
A small organization to look around in: two offices, twelve companies, thirty people, sixty deals over a year, papers,
invoices and what there is to do.

Everything is made through the services, by the people who would have done it, so that histories, facts and
numbers are what they would be in earnest. With `--deals` it is filled up by the database to any size, in which lists
and boards can be judged.
"""

import os
import secrets
from argparse import ArgumentParser
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction
from django.utils import timezone

from apps.accounts.models import User
from apps.accounts.services import ensure_member, ensure_team, set_password
from apps.crm.defaults import STAGES
from apps.crm.models import Company, Deal, LostReason, Person, Product, Stage, StageTransition, Tag
from apps.crm.services import catalog, companies, deals, lines, people, prices, quotes
from apps.gateway.management import further, official, papers
from apps.gateway.management.conversations import make_conversations
from apps.gateway.management.errands import make_errands
from apps.gateway.management.filling import fill
from apps.gateway.management.leads import LEADS, make_leads
from apps.gateway.management.money import make_money, make_providers
from apps.gateway.management.rules import make_rules

Face = StageTransition.Face
_DOMAIN = "demo.artel.example"

# Name, e-mail, path of the team, role; the first of each role can log in.
USERS = [
    ("Ольга Новикова", "olga", ["Artel"], "administrator"),
    ("Maria Keller", "maria", ["Artel", "North office"], "sales_lead"),
    ("Anna Orlova", "anna", ["Artel", "North office"], "salesperson"),
    ("Илья Громов", "ilya", ["Artel", "North office"], "salesperson"),
    ("Денис Котов", "denis", ["Artel", "South office"], "sales_lead"),
    ("Peter Lang", "peter", ["Artel", "South office"], "salesperson"),
    ("Софья Белова", "sofia", ["Artel", "South office"], "salesperson"),
    ("Вера Зайцева", "vera", ["Artel"], "accountant"),
    ("Martin Weiss", "martin", ["Artel"], "auditor"),
]
# Whom of these the papers of the north are shown to before they go out; the rules act in their name.
_LEAD = 1
_ACCOUNTANT = 7
# Name, industry, country, city, the place of the parent in this list.
COMPANIES: list[tuple[str, str, str, str, int | None]] = [
    ("Северсталь-Мебель", "furniture", "Россия", "Череповец", None),
    ("Nordwind Logistics", "logistics", "Deutschland", "Hamburg", None),
    ("Хлебный двор", "food", "Россия", "Тверь", None),
    ("Lumen Retail Group", "retail", "Polska", "Warszawa", None),
    ("Lumen Home", "retail", "Polska", "Kraków", 3),
    ("Клиника «Забота»", "medical", "Россия", "Казань", None),
    ("Astra Software", "software", "Србија", "Novi Sad", None),
    ("ТД «Полесье»", "wholesale", "Беларусь", "Гомель", None),
    ("Baltic Print House", "printing", "Eesti", "Tallinn", None),
    ("Горный ветер", "tourism", "Россия", "Сочи", None),
    ("Nordwind Cold Chain", "logistics", "Deutschland", "Bremen", 1),
    ("Верста Инжиниринг", "construction", "Россия", "Пермь", None),
]
# First and last name, position; they are dealt out to the companies in turn.
PEOPLE = [
    ("Алексей", "Смирнов", "Закупки"),
    ("Helga", "Brandt", "Head of operations"),
    ("Марина", "Лебедева", "Директор"),
    ("Tomasz", "Nowak", "Buyer"),
    ("Ewa", "Zielińska", "Store development"),
    ("Рустам", "Галиев", "Главный врач"),
    ("Jelena", "Petrović", "CTO"),
    ("Сергей", "Бондарь", "Коммерческий директор"),
    ("Kristjan", "Tamm", "Production"),
    ("Оксана", "Рудь", "Управляющая"),
    ("Jürgen", "Voss", "Fleet manager"),
    ("Павел", "Аксёнов", "Главный инженер"),
    ("Наталья", "Крылова", "Бухгалтерия"),
    ("Lena", "Hartmann", "Assistant"),
    ("Игорь", "Фомин", "Технолог"),
    ("Agnieszka", "Wójcik", "CFO"),
    ("Marek", "Kowalczyk", "Logistics"),
    ("Алина", "Сафина", "Администратор"),
    ("Nikola", "Jovanović", "Procurement"),
    ("Виктор", "Шевчук", "Склад"),
    ("Liis", "Kask", "Sales"),
    ("Георгий", "Пак", "Маркетинг"),
    ("Frank", "Otto", "IT"),
    ("Дарья", "Мельник", "Снабжение"),
    ("Юрий", "Соколов", "Владелец"),
    ("Anke", "Schulz", "Quality"),
    ("Роман", "Титов", "Логистика"),
    ("Piotr", "Mazur", "Owner"),
    ("Zofia", "Lis", "Design"),
    ("Камиль", "Хасанов", "Закупки"),
]
PRODUCTS = [
    ("Workplace Basic", "Workplace", 18_900),
    ("Workplace Pro", "Workplace", 42_500),
    ("Meeting room", "Rooms", 310_000),
    ("Acoustic booth", "Rooms", 540_000),
    ("Assembly", "Services", 35_000),
    ("Yearly care", "Services", 96_000),
]
SUBJECTS = [
    "Office for {count} people",
    "Кабинеты на {count} мест",
    "Meeting rooms, {count} floors",
    "Переезд, {count} рабочих мест",
    "Yearly care, {count} sites",
    "Оснащение филиала, {count} мест",
]
NEXT_STEPS = ["Call back", "Send the offer", "Уточнить сроки", "Согласовать договор", "Show the samples"]
OPEN_STAGES = ["Prospecting", "Engaging", "Proposal", "Negotiation"]
DEALS = 60
# Of sixty: 24 won, 14 lost, the rest in the open stages.
WON, LOST = 24, 14


class Command(BaseCommand):
    """Make the demo organization, unless it is there."""

    help = __doc__

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--small", action="store_true", help="Sixty deals, which is what is made anyway.")
        parser.add_argument("--deals", type=int, default=0, help="Fill up to so many deals, as 1000000.")
        parser.add_argument("--if-empty", action="store_true", help="Do nothing where there are companies.")

    def handle(self, *args: Any, **options: Any) -> None:
        is_made = User.objects.filter(email__endswith=f"@{_DOMAIN}").exists()
        if options["if_empty"] and not is_made and Company.objects.exists():
            self.stderr.write("There are companies already; no demo is made.")
            return
        # The storage may be far away: what is written there is written before the transaction.
        contents = None if is_made else papers.keep_papers([name for name, *_rest in COMPANIES])
        with transaction.atomic():
            users = _users()
            demo = _Demo(users)
            written = 0 if contents is None else demo.make(contents)
        if contents is not None:
            # Typesetting takes a process for each paper, which no transaction waits for.
            written += official.write_papers(demo.deals, lead=users[_LEAD], system=demo.system)
            # Only now is there a company of ours to write invoices.
            made = list(Deal.objects.filter(pk__in=[deal.pk for deal in demo.deals]).order_by("pk"))
            invoices = make_money(made, accountant=users[_ACCOUNTANT])
            errands = make_errands(made, lead=users[_LEAD])
        if not is_made or not _logins_path().exists():
            _write_logins(users)
        if not is_made:
            self.stdout.write(
                f"Made {len(COMPANIES)} companies, {len(PEOPLE)} people, {DEALS} deals, {LEADS} leads,"
                f" {written} documents, {invoices} invoices and {errands} tasks."
            )
        if options["deals"]:
            self._fill(options["deals"])
        elif is_made:
            self.stderr.write("The demo is there already.")

    def _fill(self, deals: int) -> None:
        if Company.objects.exclude(owner__email__endswith=f"@{_DOMAIN}").exists():
            raise CommandError("There are companies that are not the demo's; nothing is mixed in among them.")
        made = fill(deals, say=self.stdout.write)
        if made:
            self.stdout.write(f"Made {made:,} more deals.")
        else:
            self.stderr.write(f"There are {deals:,} deals or more already.")


def _logins_path() -> Path:
    return Path(settings.ARTEL_HOME) / "demo-logins.txt"


def _users() -> list[User]:
    """Return the demo's users in the order of the list above, made where missing."""
    system = User.objects.system()
    found = []
    for name, local, team_path, role in USERS:
        team = ensure_team(team_path, actor=system)
        email = f"{local}@{_DOMAIN}"
        user, _outcome = ensure_member(name, email=email, team=team, role_key=role, actor=system)
        found.append(user)
    return found


def _write_logins(users: list[User]) -> None:
    """Give one user of each role a password, and write them where only the owner of this machine reads."""
    system = User.objects.system()
    rows: dict[str, str] = {}
    with transaction.atomic():
        for user, (_name, _local, _team, role) in zip(users, USERS, strict=True):
            if role not in rows:
                password = secrets.token_urlsafe(12)
                set_password(user.pk, password, actor=system)
                rows[role] = f"{role} {user.email} {password}"
    path = _logins_path()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write("\n".join(rows.values()) + "\n")


class _Demo:
    """One demo being made; the same on every machine, seen from the day it is made."""

    def __init__(self, users: list[User]) -> None:
        # Not for secrets: the same numbers every time.
        self.random = Random(7)  # noqa: S311
        self.now = timezone.now()
        self.system = User.objects.system()
        self.lead = users[_LEAD]
        self.sellers = [user for user, row in zip(users, USERS, strict=True) if row[3] == "salesperson"]
        # By place: their names are in the installation's language.
        stages = Stage.objects.filter(pipeline__is_default=True).order_by("position")
        self.stages = {name: stage for (name, *_rest), stage in zip(STAGES, stages, strict=True)}

    def make(self, contents: papers.Papers) -> int:
        """Make everything. :return: how many documents"""
        further.make_fields(self.system)
        self.products = [self._product(*row) for row in PRODUCTS]
        self.tags = [catalog.create_tag(name=name, actor=self.system) for name in ["key account", "партнёр"]]
        self.companies: list[Company] = []
        for place, row in enumerate(COMPANIES):
            self.companies.append(self._company(place, *row))
        self.people = [self._person(place, *row) for place, row in enumerate(PEOPLE)]
        reasons = LostReason.objects.filter(is_active=True, is_unknown=False).order_by("pk")
        self.reasons = list(reasons)
        self._prices()
        self.deals = [self._deal(place) for place in range(DEALS)]
        self._quotes(self.deals)
        make_conversations(self.deals, now=self.now, random=self.random)
        written = papers.make_papers(contents, self.companies, self.deals, system=self.system)
        make_leads(self.people, ensure_team(["Artel", "North office"], actor=self.system), system=self.system)
        make_providers(system=self.system)
        make_rules(self.lead, self.stages["Negotiation"])
        return written

    def _product(self, name: str, family: str, price: int) -> Product:
        return catalog.create_product(
            actor=self.system,
            name=name,
            family=family,
            price=Decimal(price),
            currency="RUB",
            unit="шт.",
            tax_rate=Decimal(22),
        )

    def _prices(self) -> None:
        """Let the list prices hold this year, and some more of them from the next one on."""
        book = prices.create_price_book(actor=self.system, name="Прайс-лист")
        begin = date(self.now.year, 1, 1)
        for place, product in enumerate(self.products):
            price = product.price or Decimal()
            rises = place % 2 == 0
            until = date(begin.year, 12, 31) if rises else None
            said: dict[str, Any] = {"product_id": product.pk, "currency": "RUB"}
            prices.add_price(
                book.pk, actor=self.system, **said, price=price, valid_from=begin, valid_until=until
            )
            if rises:
                risen = (price * Decimal("1.08")).quantize(Decimal(1))
                following = date(begin.year + 1, 1, 1)
                prices.add_price(book.pk, actor=self.system, **said, price=risen, valid_from=following)

    def _quotes(self, made: list[Deal]) -> None:
        """Take the last open deals apart, and draft quotes of them."""
        for place, deal in enumerate([deal for deal in made if deal.status == Deal.Status.OPEN][-3:]):
            work = lines.NewLine(
                description="Доставка и сборка",
                quantity=Decimal(8 + place),
                unit="ч",
                unit_price=Decimal(2500),
                tax_rate=Decimal(22),
            )
            lines.change_lines(deal.pk, actor=deal.owner, add=[work], amount_mode="LINES")
            quotes.create_quote(deal.pk, actor=deal.owner, locale="ru", terms="Предоплата 50 %.")

    def _company(
        self, place: int, name: str, industry: str, country: str, city: str, parent: int | None
    ) -> Company:
        owner = self._seller(place)
        return companies.create_company(
            actor=self.system,
            owner_id=owner.pk,
            name=name,
            industry=industry,
            country=country,
            city=city,
            parent_id=None if parent is None else self.companies[parent].pk,
            tag_ids=[self._tag(place).pk] if place % 4 == 0 else [],
            contact_points=[{"kind": "EMAIL", "raw": f"office@company{place + 1}.example"}],
            custom=further.of_company(place),
        )

    def _person(self, place: int, given: str, family: str, position: str) -> Person:
        company = self.companies[place % len(self.companies)]
        return people.create_person(
            actor=self.system,
            owner_id=company.owner_id,
            given_name=given,
            family_name=family,
            job_title=position,
            company_id=company.pk,
            contact_points=[
                {"kind": "EMAIL", "raw": f"person{place + 1}@company{place % len(COMPANIES) + 1}.example"},
                {"kind": "PHONE", "raw": f"+7 495 555-{10 + place:02d}-{(place * 37) % 100:02d}"},
            ],
        )

    def _deal(self, place: int) -> Deal:
        person = self.people[place % len(self.people)]
        company = self.companies[place % len(self.people) % len(self.companies)]
        actor = next(seller for seller in self.sellers if seller.pk == company.owner_id)
        is_closed = place < WON + LOST
        steps = self.random.randint(1 if is_closed else 0, len(OPEN_STAGES) - 1)
        began = self._beginning(place, steps)
        count = self.random.randint(3, 48)
        close = timezone.localdate(began + timedelta(days=self.random.randint(60, 120)))
        deal = deals.create_deal(
            actor=actor,
            face=self._face(),
            at=began,
            title=f"{SUBJECTS[place % len(SUBJECTS)].format(count=count)} · {company.name}",
            company_id=company.pk,
            person_id=person.pk,
            amount=Decimal(self.random.randint(40, 4_000) * 1_000),
            expected_close_date=close,
            next_step=self.random.choice(NEXT_STEPS) if place >= WON + LOST else "",
            next_step_date=self._next_day() if place >= WON + LOST and place % 4 else None,
            tag_ids=[self._tag(place).pk] if place % 7 == 0 else [],
            custom=further.of_deal(place, count, close),
        )
        product = self.products[place % len(self.products)]
        lines.change_lines(deal.pk, actor=actor, add=[lines.NewLine(product.pk, Decimal(count))])
        self._lead(deal, place, steps, actor, began)
        return deal

    def _beginning(self, place: int, steps: int) -> datetime:
        """Return when a deal began: closed ones over the year, a third of them lately; open ones as their stage says."""
        if place >= WON + LOST:
            days = self.random.randint(3, 16) * (steps + 1)
        elif place % 3:
            days = self.random.randint(95, 360)
        else:
            days = self.random.randint(12, 90)
        return self.now - timedelta(days=days, hours=self.random.randint(0, 9))

    def _next_day(self) -> date:
        return timezone.localdate(self.now + timedelta(days=self.random.randint(-4, 9)))

    def _lead(self, deal: Deal, place: int, steps: int, actor: User, began: datetime) -> None:
        """Lead a deal through its stages to where it stands today."""
        is_closed = place < WON + LOST
        pace = (self.now - began) / (steps + 1)
        if is_closed:
            # At most 90 days in all.
            pace = min(pace, timedelta(days=22))
        slowest = 0.3 if is_closed else 0.7
        at = began
        for name in OPEN_STAGES[1 : steps + 1]:
            at += pace * self.random.uniform(slowest, 0.95)
            deals.move_deal(deal.pk, stage_id=self.stages[name].pk, actor=actor, face=self._face(), at=at)
        at += pace * self.random.uniform(0.3, 0.95)
        if place < WON:
            deals.win_deal(deal.pk, actor=actor, face=self._face(), at=at)
        elif is_closed:
            reason = self.random.choice(self.reasons)
            deals.lose_deal(deal.pk, reason_id=reason.pk, actor=actor, face=self._face(), at=at)

    def _seller(self, place: int) -> User:
        return self.sellers[place % len(self.sellers)]

    def _tag(self, place: int) -> Tag:
        return self.tags[place % len(self.tags)]

    def _face(self) -> StageTransition.Face:
        return self.random.choice([Face.ADMIN, Face.ADMIN, Face.ADMIN, Face.API])

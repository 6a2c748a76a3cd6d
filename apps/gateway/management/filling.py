"""
Many deals for the demo organization, to see how lists, boards and exports behave with them.

The rows are made in the database, tens of thousands per statement: what the services would ask of each holds
because of how the rows are drawn, and the constraints see to it. Drawn from hashes, so that the same call gives the
same organization; they spread over six years, dense in open deals only at the end, as deals are.
"""

import math
import time
from collections.abc import Callable, Iterator
from typing import Any

from django.db import connection, models

from apps.accounts.models import User
from apps.accounts.services import ensure_member, ensure_team
from apps.crm.models import (
    Company,
    ContactPoint,
    Deal,
    DealLine,
    Employment,
    LostReason,
    Person,
    Product,
    Stage,
    StageTransition,
    Tag,
)
from apps.history.services.unrecorded import unrecorded_inserts

# Of a batch: long enough for set-based work, short enough to show progress every few seconds.
BATCH = 50_000
DEALS_PER_COMPANY, DEALS_PER_PERSON = 10, 5
# A salesperson looks after so many deals over the years, in an office with five others.
DEALS_PER_SELLER, SELLERS_PER_OFFICE, MOST_SELLERS = 2_000, 6, 60
YEARS = 6

OFFICES = ["East", "West", "Coast", "Mountain", "River", "Lake", "Capital", "Harbor", "Forest", "Steppe"]
GIVEN = [
    "Анна",
    "Иван",
    "Мария",
    "Олег",
    "Юлия",
    "Марк",
    "Elena",
    "Jonas",
    "Katarzyna",
    "Stefan",
    "Nina",
    "Lukas",
]
FAMILY = [
    "Абрамов", "Белых", "Волков", "Гончар", "Дымов", "Ефимов", "Жук", "Зотов", "Ильич", "Кравец", "Лосев", "Мороз",
    "Albrecht", "Bauer", "Czerny", "Dietz", "Engel", "Fischer", "Gruber", "Horvat", "Ivić", "Jansen", "Krüger", "Lange",
    "Meyer", "Novak", "Orlov", "Popović", "Richter", "Sommer", "Tkach", "Ulrich", "Vogel", "Winter", "Ziegler", "Żak",
]  # fmt: skip
WORDS = [
    "Северный", "Южный", "Альфа", "Вектор", "Гранит", "Диалог", "Енисей", "Заря", "Империал", "Каскад", "Лидер",
    "Меридиан", "Новый", "Орион", "Престиж", "Радуга", "Сигма", "Титан", "Успех", "Форум", "Atlas", "Baltic", "Cobalt",
    "Delta", "Ember", "Falcon", "Granite", "Harbor", "Indigo", "Juniper", "Kestrel", "Lumen", "Meadow", "Nordic",
    "Onyx", "Pioneer", "Quartz", "Ridge", "Summit", "Tundra",
]  # fmt: skip
TRADES = [
    ("Мебель", "furniture"), ("Логистика", "logistics"), ("Строй", "construction"), ("Пром", "industry"),
    ("Медицина", "medical"), ("Торг", "wholesale"), ("Агро", "food"), ("Сервис", "services"), ("Тур", "tourism"),
    ("Print", "printing"), ("Software", "software"), ("Retail", "retail"), ("Foods", "food"), ("Energy", "energy"),
    ("Textile", "textile"), ("Media", "media"), ("Bank", "finance"), ("Hotels", "tourism"), ("Motors", "automotive"),
    ("Pharma", "medical"),
]  # fmt: skip
CITIES = [
    ("Москва", "Россия"), ("Казань", "Россия"), ("Пермь", "Россия"), ("Тверь", "Россия"), ("Томск", "Россия"),
    ("Гомель", "Беларусь"), ("Алматы", "Казахстан"), ("Novi Sad", "Србија"), ("Warszawa", "Polska"),
    ("Kraków", "Polska"), ("Hamburg", "Deutschland"), ("Bremen", "Deutschland"), ("Tartu", "Eesti"), ("Riga", "Latvija"),
]  # fmt: skip
POSITIONS = [
    "Закупки",
    "Директор",
    "Head of operations",
    "Buyer",
    "CTO",
    "Главный инженер",
    "Бухгалтерия",
    "Owner",
]
SUBJECTS = [
    "Office for {} people", "Кабинеты на {} мест", "Meeting rooms, {} floors", "Переезд, {} рабочих мест",
    "Yearly care, {} sites", "Оснащение филиала, {} мест", "Acoustic booths, {} pieces", "Ремонт, {} кв. м",
    "Furniture for {} rooms", "Поставка стульев, {} шт.", "Lease of {} desks", "Склад на {} паллет",
]  # fmt: skip
NEXT_STEPS = ["Call back", "Send the offer", "Уточнить сроки", "Согласовать договор", "Show the samples", ""]

# A number in [0, 1) that is always the same for a row and a question.
CHANCE = """
create or replace function pg_temp.chance(n bigint, question int) returns float8 language sql immutable as
$$ select (hashint8extended(n, question) & 1048575) / 1048576.0 $$;
create or replace function pg_temp.pick(items text[], chance float8) returns text language sql immutable as
$$ select items[1 + floor(chance * cardinality(items))::int] $$;
"""
SELLERS = """
create temporary table demo_seller as
select row_number() over (order by user_id) - 1 as place, user_id, team_id
from (select user_id, min(team_id) as team_id from accounts_membership where user_id = any(%(sellers)s) group by 1) as one
"""
# `n` numbers the rows over the whole life of the demo, so that filling up goes on where it stopped.
COMPANIES = """
create temporary table demo_company as
select nextval(pg_get_serial_sequence('crm_company', 'id')) as id, n, user_id, team_id,
    floor(pg_temp.chance(n, 1) * cardinality(%(trades)s::text[]))::int + 1 as trade,
    floor(pg_temp.chance(n, 2) * cardinality(%(cities)s::text[]))::int + 1 as city,
    now() - make_interval(days => (pg_temp.chance(n, 3) * 2190)::int) as at
from generate_series(%(first)s::bigint, %(last)s) as n
join demo_seller on place = n %% (select count(*) from demo_seller);
insert into crm_company (id, created_at, updated_at, version, archived_at, external_source, external_id, name, legal_name,
    tax_id, domain, industry, country, city, founded_year, employee_count, annual_revenue, description,
    created_by_id, owner_id, team_id, updated_by_id)
select id, at, at, 1, null, '', '',
    pg_temp.pick(%(words)s, pg_temp.chance(n, 4)) || ' ' || (%(trades)s::text[])[trade]
        || case when pg_temp.chance(n, 5) < 0.4 then ' ' || (%(cities)s::text[])[city] else '' end,
    '', '', 'company' || n || '.example', (%(industries)s::text[])[trade], (%(countries)s::text[])[city],
    (%(cities)s::text[])[city], case when pg_temp.chance(n, 6) < 0.8 then 1950 + (pg_temp.chance(n, 7) * 74)::int end,
    case when pg_temp.chance(n, 8) < 0.7 then exp(pg_temp.chance(n, 9) * 8)::int end,
    case when pg_temp.chance(n, 8) < 0.6 then round(exp(pg_temp.chance(n, 9) * 7)::numeric, 2) end,
    '', user_id, user_id, team_id, user_id
from demo_company order by id;
create index on demo_company (n);
"""
PEOPLE = """
create temporary table demo_person as
select nextval(pg_get_serial_sequence('crm_person', 'id')) as id, c.n * %(per_company)s + k as n, c.n as company_n, k,
    c.id as company_id, user_id, team_id, at,
    pg_temp.pick(%(positions)s, pg_temp.chance(c.n * 8 + k, 13)) as position
from demo_company as c, generate_series(0, %(per_company)s - 1) as k;
insert into crm_person (id, created_at, updated_at, version, external_source, external_id, given_name, family_name,
    middle_name, job_title, locale, description, created_by_id, owner_id, team_id, updated_by_id)
select id, at, at, 1, '', '', pg_temp.pick(%(given)s, pg_temp.chance(n, 11)),
    pg_temp.pick(%(family)s, pg_temp.chance(n, 12)), '', position, '', '', user_id, user_id, team_id, user_id
from demo_person order by id;
insert into crm_employment (person_id, company_id, title, is_primary)
select id, company_id, position, true from demo_person;
insert into crm_contactpoint (person_id, kind, raw, value, is_primary)
select id, 'EMAIL', address, address, true
from (select id, 'person' || n || '@company' || company_n || '.example' as address from demo_person) as one
union all
select id, 'PHONE', '+7 900 ' || substr(digits, 1, 3) || '-' || substr(digits, 4), '+7900' || digits, true
from (
    select id, lpad(n::text, 7, '0') as digits from demo_person where n < 10000000 and pg_temp.chance(n, 14) < 0.7
) as one;
create index on demo_person (company_n);
"""
STAGES = """
create temporary table demo_stage as
select row_number() over (partition by kind order by position) - 1 as place, id, pipeline_id, kind, probability
from crm_stage where pipeline_id = (select id from crm_pipeline where is_default);
create temporary table demo_product as
select row_number() over (order by id) - 1 as place, id, price, currency from crm_product where archived_at is null;
"""
# Older deals are closed but for a few that everybody forgot; an open one stands in its stage for a part of its age.
DRAW = """
create temporary table demo_deal as
with drawn as (
    select n, (1 - (n - %(began)s)::float8 / %(span)s) * %(days)s + pg_temp.chance(n, 20) * 3 as age
    from generate_series(%(first)s::bigint, %(last)s) as n
), decided as (
    select drawn.*,
        case when pg_temp.chance(n, 21) < case when age < 45 then 0.85 when age < 100 then 0.5 when age < 240 then 0.15
            else 0.015 end then 'OPEN' when pg_temp.chance(n, 22) < 0.6 then 'WON' else 'LOST' end as status,
        floor(power(pg_temp.chance(n, 23), 1.3) * (select count(*) from demo_stage where kind = 'OPEN'))::int as passed,
        case when pg_temp.chance(n, 24) < 0.8 then 'RUB' when pg_temp.chance(n, 24) < 0.92 then 'EUR' else 'USD' end
            as currency
    from drawn
), timed as (
    select decided.*, now() - make_interval(secs => age * 86400) as began,
        case when status <> 'OPEN' then age - least(age * 0.9, 8 + 110 * pg_temp.chance(n, 25))
            when passed = 0 then age else age * pg_temp.chance(n, 26) end as entered
    from decided
)
select nextval(pg_get_serial_sequence('crm_deal', 'id')) as id, timed.*,
    passed + (status <> 'OPEN')::int as steps, now() - make_interval(secs => entered * 86400) as entered_at,
    s.id as stage_id, s.pipeline_id, s.probability, c.id as company_id, p.id as person_id, c.user_id, c.team_id,
    round((exp(9.5 + 3 * (pg_temp.chance(timed.n, 27) + pg_temp.chance(timed.n, 28)))
        / case currency when 'RUB' then 1 else 90 end)::numeric, -2) as amount
from timed
join demo_stage as s on s.kind = status and s.place = case status when 'OPEN' then passed else 0 end
join (select demo_company.*, row_number() over (order by n) - 1 as place from demo_company) as c
    on c.place = floor(pg_temp.chance(timed.n, 29) * (select count(*) from demo_company))
left join demo_person as p on p.company_n = c.n
    and p.k = floor(pg_temp.chance(timed.n, 30) * (%(per_company)s + 0.2))
order by timed.n;
"""
DEALS = """
insert into crm_deal (id, created_at, updated_at, version, archived_at, external_source, external_id, title, status,
    amount, currency, probability, is_probability_manual, opened_date, expected_close_date, closed_at, lost_note,
    next_step, next_step_date, stage_entered_at, description, company_id, created_by_id, owner_id, team_id,
    updated_by_id, lost_reason_id, person_id, pipeline_id, stage_id)
select d.id, began, entered_at, 1 + steps,
    case when status <> 'OPEN' and pg_temp.chance(d.n, 31) < 0.015 then entered_at end, '', '',
    replace(pg_temp.pick(%(subjects)s, pg_temp.chance(d.n, 32)), '{}', (3 + pg_temp.chance(d.n, 33) * 240)::int::text)
        || ' · ' || c.name,
    status, case when pg_temp.chance(d.n, 34) < 0.97 then amount end, d.currency, probability, false, began::date,
    case when pg_temp.chance(d.n, 35) < 0.9 then began::date + 30 + (pg_temp.chance(d.n, 36) * 90)::int end,
    case when status <> 'OPEN' then entered_at end, '',
    case when status = 'OPEN' then pg_temp.pick(%(next_steps)s, pg_temp.chance(d.n, 37)) else '' end,
    case when status = 'OPEN' and pg_temp.chance(d.n, 38) < 0.6
        then current_date - 7 + (pg_temp.chance(d.n, 39) * 21)::int end,
    entered_at, '', d.company_id, user_id, user_id, d.team_id, user_id,
    case when status = 'LOST'
        then (%(reasons)s::bigint[])[1 + floor(pg_temp.chance(d.n, 40) * cardinality(%(reasons)s::bigint[]))::int] end,
    d.person_id, pipeline_id, stage_id
from demo_deal as d join crm_company as c on c.id = d.company_id order by d.id;
"""
TRANSITIONS = """
insert into crm_stagetransition (deal_id, from_stage_id, to_stage_id, at, actor_id, face, reason, seconds_in_stage,
    amount)
select d.id, before.id, coalesce(after.id, d.stage_id),
    case when step = 0 then began else began + (entered_at - began) * step / steps end, user_id,
    case when pg_temp.chance(d.n, 41) < 0.8 then 'ADMIN' else 'API' end, '',
    case when step > 0 then extract(epoch from (entered_at - began) / steps)::bigint end, amount
from demo_deal as d cross join lateral generate_series(0, steps) as step
left join demo_stage as before on before.kind = 'OPEN' and before.place = step - 1
left join demo_stage as after on after.kind = 'OPEN' and after.place = step and step <= passed
order by d.id, step;
"""
LINES = """
insert into crm_dealline (deal_id, product_id, quantity, unit_price, position)
select d.id, p.id, 1 + floor(pg_temp.chance(d.n + line, 44) * 40),
    case when p.currency = d.currency then p.price end, line
from demo_deal as d cross join lateral generate_series(0, (pg_temp.chance(n, 42) * 2)::int - 1) as line
join demo_product as p
    on p.place = (floor(pg_temp.chance(n, 43) * 1000)::int + line) %% (select count(*) from demo_product);
insert into crm_deal_tags (deal_id, tag_id)
select id, (%(tags)s::bigint[])[1 + floor(pg_temp.chance(n, 46) * cardinality(%(tags)s::bigint[]))::int]
from demo_deal where pg_temp.chance(n, 45) < 0.04;
"""
TABLES: list[type[models.Model]] = [
    Company,
    Person,
    Employment,
    ContactPoint,
    Deal,
    StageTransition,
    DealLine,
]
TABLES.append(Deal.tags.through)
# What plans of the same queries depend on as well.
OTHERS: list[type[models.Model]] = [Stage, Product, User]


def fill(wanted: int, *, say: Callable[[str], object]) -> int:
    """
    Fill the demo organization up to this many deals, with a tenth as many companies and a fifth as many people.

    :param say: called with a line of progress after each batch
    :return: how many deals were made
    """
    there = Deal.objects.count()
    if wanted <= there:
        return 0
    started_at = time.monotonic()
    sellers = _sellers(wanted)
    with connection.cursor() as cursor:
        # The pending lists of the trigram indexes are then written in large steps.
        cursor.execute("set gin_pending_list_limit = '64MB'; set work_mem = '64MB'")
        cursor.execute(CHANCE)
    try:
        _make_surroundings(wanted - there, sellers)
        for first, last in _batches(there + 1, wanted):
            with unrecorded_inserts(TABLES, label=f"make_demo --deals {wanted}"):
                _make_deals(first, last, began=there + 1, span=wanted - there)
            say(f"{last:,} of {wanted:,} deals, {time.monotonic() - started_at:.0f} s")
    finally:
        with connection.cursor() as cursor:
            cursor.execute("discard temp; reset gin_pending_list_limit; reset work_mem")
    _settle()
    say(f"Settled, {time.monotonic() - started_at:.0f} s")
    return wanted - there


def _sellers(wanted: int) -> list[int]:
    """Return the ids of who sells: those of the small demo, and as many more as so many deals take."""
    system = User.objects.system()
    count = min(MOST_SELLERS, wanted // DEALS_PER_SELLER)
    for place in range(count):
        office = f"{OFFICES[place // SELLERS_PER_OFFICE % len(OFFICES)]} office"
        name = f"{GIVEN[place % len(GIVEN)]} {FAMILY[place * 7 % len(FAMILY)]} {place + 1}"
        team = ensure_team(["Artel", office], actor=system)
        role = "sales_lead" if place % SELLERS_PER_OFFICE == 0 else "salesperson"
        email = f"seller{place + 1}@demo.artel.example"
        ensure_member(name, email=email, team=team, role_key=role, actor=system)
    people = User.objects.filter(email__endswith="@demo.artel.example", memberships__role__key="salesperson")
    return sorted(set(people.values_list("pk", flat=True)))


def _make_surroundings(deals: int, sellers: list[int]) -> None:
    """Make the companies and people that so many deals are made with."""
    companies = math.ceil(deals / DEALS_PER_COMPANY)
    # Behind every company that a former fill has made: domains and addresses are numbered.
    first = Company.objects.order_by("-pk").values_list("pk", flat=True).first() or 0
    values: dict[str, Any] = {
        "sellers": sellers,
        "first": first + 1,
        "last": first + companies,
        "per_company": DEALS_PER_COMPANY // DEALS_PER_PERSON,
        "words": WORDS,
        "trades": [name for name, _industry in TRADES],
        "industries": [industry for _name, industry in TRADES],
        "cities": [city for city, _country in CITIES],
        "countries": [country for _city, country in CITIES],
        "given": GIVEN,
        "family": FAMILY,
        "positions": POSITIONS,
    }
    with unrecorded_inserts(TABLES, label="make_demo"):
        _run(SELLERS + ";" + COMPANIES + PEOPLE + STAGES, values)
        _run("analyze demo_company; analyze demo_person; analyze demo_stage", {})


def _make_deals(first: int, last: int, *, began: int, span: int) -> None:
    reasons = LostReason.objects.filter(is_active=True, is_unknown=False).order_by("pk")
    values: dict[str, Any] = {
        "first": first,
        "last": last,
        "began": began,
        "span": span,
        "days": YEARS * 365,
        "per_company": DEALS_PER_COMPANY // DEALS_PER_PERSON,
        "subjects": SUBJECTS,
        "next_steps": NEXT_STEPS,
        "reasons": list(reasons.values_list("pk", flat=True)),
        "tags": list(Tag.objects.order_by("pk").values_list("pk", flat=True)),
    }
    _run(DRAW + DEALS + TRANSITIONS + LINES + "drop table demo_deal", values)


def _batches(first: int, last: int) -> Iterator[tuple[int, int]]:
    for start in range(first, last + 1, BATCH):
        yield start, min(start + BATCH - 1, last)


def _run(statements: str, values: dict[str, Any]) -> None:
    """Run statements one by one: bound values and several statements do not go together."""
    with connection.cursor() as cursor:
        for statement in statements.split(";"):
            if statement.strip():
                cursor.execute(statement, values or None)


def _settle() -> None:
    """Give the planner what autovacuum would give it in a while, so that lists are fast at once."""
    with connection.cursor() as cursor:
        for model in (*TABLES, *OTHERS):
            cursor.execute(f"vacuum (analyze) {connection.ops.quote_name(model._meta.db_table)}")

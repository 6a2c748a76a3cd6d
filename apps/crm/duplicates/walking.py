"""
The look through all rows that keeps the pairs which may be the same.

Each row is held against the others by indexes, and against so many of them at most: the work grows with the number of
rows, and never with its square. Rows that have not changed since the last look are passed over.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.db import connection
from django.utils import timezone

from apps.crm.duplicates.likeness import LEAST_SCORE, Found, Reason, distinct, score_of
from apps.crm.models import Company, Duplicated, DuplicatePair, Person

# A chunk is a transaction: a second or two, most of it the search for similar names.
CHUNK = 200
# Of those with the same value; more of them is a value that says nothing.
_MOST = 20
# Of one company: whom a new colleague's name is held against.
_COLLEAGUES = 200

_COMPANIES = """
with a as (
    select id, tax_id, domain, name, external_id from crm_company where id = any(%(ids)s) and archived_at is null
)
select a.id, b.id, 'tax_id', b.tax_id, 1::float from a cross join lateral (
    select id, tax_id from crm_company c
    where crm_tax_key(c.tax_id) = crm_tax_key(a.tax_id) and c.tax_id <> '' and c.archived_at is null and c.id <> a.id
    limit %(most)s
) b where a.tax_id <> ''
union all
select a.id, b.id, 'domain', a.domain, 1 from a cross join lateral (
    select id from crm_company c
    where c.domain = a.domain and c.domain <> '' and c.archived_at is null and c.id <> a.id limit %(most)s
) b where a.domain <> ''
union all
select a.id, b.id, 'external_id', a.external_id, 1 from a cross join lateral (
    select id from crm_company c
    where c.external_id = a.external_id and c.external_id <> '' and c.archived_at is null and c.id <> a.id
    limit %(most)s
) b where a.external_id <> ''
union all
select a.id, b.id, 'name', '', similarity(crm_name_core(a.name), crm_name_core(b.name)) from a cross join lateral (
    select c.id, c.name from crm_similar_companies(crm_name_core(a.name)) s (id) join crm_company c using (id)
    where c.id <> a.id
    order by similarity(crm_name_core(a.name), crm_name_core(c.name)) desc, c.id limit %(most)s
) b
"""

_PEOPLE = """
with a as (select id, full_name, external_id from crm_person where id = any(%(ids)s) and archived_at is null)
select a.id, b.id, 'name_and_company', '', b.likeness from a
join crm_employment own on own.person_id = a.id
cross join lateral (
    select c.id, similarity(upper(a.full_name), upper(c.full_name)) as likeness
    from (
        select person_id from crm_employment e where e.company_id = own.company_id and e.person_id <> a.id
        limit %(colleagues)s
    ) e join crm_person c on c.id = e.person_id where c.archived_at is null
) b where b.likeness >= 0.45
union all
select a.id, b.id, 'external_id', a.external_id, 1 from a cross join lateral (
    select id from crm_person c
    where c.external_id = a.external_id and c.external_id <> '' and c.archived_at is null and c.id <> a.id
    limit %(most)s
) b where a.external_id <> ''
"""

# Who is reached by what somebody else was reached by before, either way round.
_FORMER = """
select a.id, b.{column}_id, 'former_contact', b.value, 1 from a
join crm_contactpoint own on own.{column}_id = a.id and own.archived_at is null
cross join lateral (
    select p.{column}_id, p.value from crm_contactpoint p join {table} c on c.id = p.{column}_id
    where p.kind = own.kind and p.value = own.value and p.archived_at is not null and p.{column}_id <> a.id
        and c.archived_at is null
    limit %(most)s
) b
union all
select a.id, b.{column}_id, 'former_contact', b.value, 1 from a
join crm_contactpoint own on own.{column}_id = a.id and own.archived_at is not null
cross join lateral (
    select p.{column}_id, p.value from crm_contactpoint p join {table} c on c.id = p.{column}_id
    where p.kind = own.kind and p.value = own.value and p.archived_at is null and p.{column}_id <> a.id
        and c.archived_at is null
    limit %(most)s
) b
"""


def _question(sql: str, column: str) -> str:
    return f"{sql} union all {_FORMER.format(column=column, table=f'crm_{column}')}"


_QUESTIONS: dict[str, tuple[type[Company] | type[Person], str]] = {
    Duplicated.COMPANY: (Company, _question(_COMPANIES, "company")),
    Duplicated.PERSON: (Person, _question(_PEOPLE, "person")),
}


def waiting(kind: str, since: datetime | None, after: int = 0) -> Any:
    """Return the rows that a look has yet to come to."""
    model, _sql = _QUESTIONS[Duplicated(kind)]
    rows: Any = model._base_manager.filter(pk__gt=after).order_by("pk")
    return rows.filter(updated_at__gte=since) if since else rows


def look(kind: str, ids: Sequence[int]) -> int:
    """Hold rows of one kind against all others, and keep the pairs anew; return how many there are."""
    _model, sql = _QUESTIONS[Duplicated(kind)]
    with connection.cursor() as cursor:
        cursor.execute(sql, {"ids": list(ids), "most": _MOST, "colleagues": _COLLEAGUES})
        found = cursor.fetchall()
    pairs: dict[tuple[int, int], list[Found]] = {}
    for one, other, reason, detail, likeness in found:
        pair = (min(one, other), max(one, other))
        pairs.setdefault(pair, []).append(Found(Reason(reason), detail, likeness))
    kept = DuplicatePair.objects.filter(kind=kind)
    kept.filter(first_id__in=ids).delete()
    kept.filter(second_id__in=ids).delete()
    now = timezone.now()
    rows = []
    for (first, second), reasons in sorted(pairs.items()):
        reasons = distinct(reasons)
        score = score_of(reasons)
        if score >= LEAST_SCORE:
            stored = [one.as_json() for one in reasons]
            rows.append(
                DuplicatePair(
                    kind=kind, first_id=first, second_id=second, score=score, reasons=stored, found_at=now
                )
            )
    DuplicatePair.objects.bulk_create(rows, ignore_conflicts=True)
    return len(rows)

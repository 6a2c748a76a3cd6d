"""What it takes to say who may be the same as one of 400,000 people, against the search for similar names alone."""

import statistics
import time
from typing import Any

from tests.bench.harness import Bench, Budget, at_most, own_services, run

PEOPLE, COMPANIES, ASKED = 400_000, 200_000, 60

# Names of syllables, so that they are as different, and as alike, as those of people and companies are.
_SYLLABLES = "ka,lo,mi,ne,ra,sto,ve,pi,du,gor,bel,tan,shu,fe,zar,olk,ist,yan,mur,ek"
_SYLLABLE = f"(string_to_array('{_SYLLABLES}', ','))[1 + (hashint4((n * 10 + k)::int) & 2147483647) % 20]"


def _name(syllables: int) -> str:
    return f"initcap((select string_agg({_SYLLABLE}, '') from generate_series(2, {syllables + 1}) k))"


_ROW = "created_at, updated_at, version, external_source, external_id"
_NOW = "now(), now(), 1, '', ''"
_COMPANIES = f"""
insert into crm_company (name, legal_name, tax_id, domain, industry, country, city, description, {_ROW})
select {_name(4)} || ' ' || {_name(3)} || (array[' Ltd', ' GmbH', ' LLC', ''])[1 + n % 4], '', '77' || n,
    'host' || n % 150000 || '.example', '', '', '', '', {_NOW} from generate_series(1, {COMPANIES}) n
"""
_PEOPLE = f"""
insert into crm_person (given_name, family_name, middle_name, job_title, locale, description, {_ROW})
select {_name(2)}, {_name(4)} || n % 977, '', '', '', '', {_NOW} from generate_series(1, {PEOPLE}) n
"""
_WORK = f"""
insert into crm_employment (person_id, company_id, title, is_primary) select p.id, c.id, '', true
from (select id, row_number() over (order by id) n from crm_person) p
join (select id, row_number() over (order by id) n from crm_company) c on c.n = 1 + p.n % {COMPANIES}
"""
_CONTACTS = """
insert into crm_contactpoint (person_id, kind, raw, value, is_primary)
select id, 'EMAIL', 'p' || id || '@example.org', 'p' || id || '@example.org', true from crm_person
"""
_TABLES = ["crm_company", "crm_person", "crm_employment", "crm_contactpoint"]
SEED = [_COMPANIES, _PEOPLE, _WORK, _CONTACTS, *(f"vacuum (analyze) {table}" for table in _TABLES)]


def main() -> int:
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    from apps.accounts.models import User
    from apps.crm.duplicates import finding, walking
    from apps.crm.models import Company, Person

    actor = User.objects.create_superuser("bench@example.org", "bench")
    seed(connection, SEED)
    step = PEOPLE // ASKED
    first = Person.objects.order_by("pk")[0].pk
    people = [Person.objects.filter(pk__gte=first + n * step).order_by("pk")[0] for n in range(ASKED)]
    companies = list(Company.objects.order_by("pk")[: COMPANIES : COMPANIES // ASKED])
    times: list[float] = []

    def names_alone() -> float:
        started_at = time.perf_counter()
        with connection.cursor() as cursor:
            for person in people:
                cursor.execute("select count(*) from crm_similar_people(%s)", [person.full_name])
                cursor.fetchone()
        return time.perf_counter() - started_at

    def candidates() -> float:
        started_at = time.perf_counter()
        for person in people:
            finding.candidates(person, actor=actor)
        return time.perf_counter() - started_at

    def slowest(rows: list[Any]) -> float:
        times.clear()
        for row in rows:
            started_at = time.perf_counter()
            finding.candidates(row, actor=actor)
            times.append(1000 * (time.perf_counter() - started_at))
        return statistics.quantiles(times, n=20)[-1]

    def queries() -> float:
        with CaptureQueriesContext(connection) as asked:
            finding.candidates(people[0], actor=actor)
        return len(asked)

    def looked(kind: str, rows: list[Any]) -> float:
        started_at = time.perf_counter()
        walking.look(kind, [row.pk for row in rows])
        return 1000 * (time.perf_counter() - started_at) / len(rows)

    def same_work() -> None:
        copy = Person.objects.create(given_name=people[0].given_name, family_name=people[0].family_name)
        assert copy in [one.row for one in finding.candidates(people[0], actor=actor)]
        copy.delete()

    return run(
        Bench(
            name="duplicates",
            claim=f"who may be the same as one of {PEOPLE:,} people against the search for similar names alone",
            limit=names_alone,
            ours=candidates,
            same_work=same_work,
            goal=at_most(3.0),
            budgets=[
                Budget("people, 95th percentile", lambda: slowest(people), at_most=150, unit="ms"),
                Budget("companies, 95th percentile", lambda: slowest(companies), at_most=150, unit="ms"),
                Budget("questions", queries, at_most=3),
                Budget("look, a person", lambda: looked("crm.person", people), at_most=20, unit="ms"),
                Budget("look, a company", lambda: looked("crm.company", companies), at_most=150, unit="ms"),
            ],
        )
    )


def seed(connection: Any, statements: list[str]) -> None:
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


if __name__ == "__main__":
    with own_services():
        raise SystemExit(main())

"""
The list of 100,000 documents as people of different reach see it, against an administrator's, in the same process.

The whole list, a search that finds a tenth of it, and a filter that leaves half of it are measured each.

An administrator's list has no condition of the policy; a lead's asks for the team and those below, a salesperson's for
their own. All three pages show a hundred rows, with what they belong to. Both sides are the whole request.

`ARTEL_BENCH_DOCUMENTS` says how many documents.
"""

import os
import re
import time
from collections.abc import Callable
from typing import Any

from tests.bench.harness import Bench, Budget, at_most, own_services, run

DOCUMENTS = int(os.environ.get("ARTEL_BENCH_DOCUMENTS", "100000"))
# One page takes milliseconds; a round is as many of them as a steady clock needs.
REQUESTS, ROUNDS, MOST_QUERIES = 20, 9, 12
URL = "/admin/documents/document/"
# What is asked for, by name.
QUERIES = {"list": "", "search": "?q=2019", "filter": "?belongs=none"}
_KEY = re.compile(r'name="_selected_action"[^>]*value="(\d+)"')

# Each seller has every n-th document; two of three have a content, and half belong to a deal or two.
FILL = """
insert into documents_document (title, number, status, description, version, has_legal_hold, created_at, updated_at,
    created_by_id, updated_by_id, owner_id, team_id, type_id, folder_id, external_source, external_id)
select 'Document ' || n || ' of the year ' || 2015 + n / 20 %% 10, case when n %% 3 = 0 then 'C-' || n end, 'DRAFT', '',
    1, false, now() - n * interval '1 minute', now() - n * interval '1 minute', owner, owner, owner, %(team)s, %(type)s,
    %(folder)s, '', ''
from generate_series(1, %(count)s) as n,
    lateral (select (%(owners)s::bigint[])[1 + n %% cardinality(%(owners)s::bigint[])] as owner) o;
insert into documents_documentversion
    (document_id, number, blob_id, file_name, source, comment, created_at, created_by_id)
select id, 1, %(blob)s, 'file.pdf', 'UPLOAD', '', created_at, created_by_id
from documents_document where id %% 3 > 0;
update documents_document d set current_version_id = v.id from documents_documentversion v where v.document_id = d.id;
insert into documents_documentlink
    (document_id, target_type_id, target_id, role, target_name, created_at, created_by_id)
select id, %(kind)s, id %% 1000 + part, 'ATTACHMENT', 'Deal ' || id %% 1000 + part, created_at, created_by_id
from documents_document, generate_series(1, 2) as part where id / 20 %% 2 = 0;
"""


def fill() -> dict[str, Any]:
    """Make the documents, and people of each reach; return a browser of each."""
    import io

    from django.conf import settings
    from django.contrib.contenttypes.models import ContentType
    from django.db import connection
    from django.test import Client

    from apps.crm.models import Deal
    from apps.documents.models import Document, DocumentLink, DocumentType, DocumentVersion, Folder
    from apps.documents.services import blobs
    from apps.history.services.unrecorded import unrecorded_inserts
    from tests.accounts.factories import make_member, make_team

    settings.ALLOWED_HOSTS = ["testserver"]
    team = make_team("North")
    sellers = [make_member(team, "salesperson", f"seller {n}") for n in range(20)]
    people = {
        "administrator": make_member(team, "administrator", "administrator"),
        "lead": make_member(team, "sales_lead", "lead"),
        "salesperson": sellers[0],
    }
    values: dict[str, Any] = {
        "count": DOCUMENTS,
        "team": team.pk,
        "owners": [seller.pk for seller in sellers],
        "type": DocumentType.objects.get(code="contract").pk,
        "folder": Folder.objects.create(name="Contracts").pk,
        "blob": blobs.keep(io.BytesIO(b"%PDF-1.4"), content_type="application/pdf").pk,
        "kind": ContentType.objects.get_for_model(Deal).pk,
    }
    tables = (Document, DocumentVersion, DocumentLink)
    with unrecorded_inserts(tables, label="bench"), connection.cursor() as cursor:
        cursor.execute("alter table documents_document disable trigger history_update")
        for statement in FILL.split(";\n"):
            if statement.strip():
                cursor.execute(statement, values)
        # A table with checks still to come cannot be altered.
        cursor.execute("set constraints all immediate")
        cursor.execute("alter table documents_document enable trigger history_update")
    with connection.cursor() as cursor:
        cursor.execute("vacuum analyze documents_document, documents_documentversion, documents_documentlink")
    clients = {}
    for name, user in people.items():
        clients[name] = Client()
        clients[name].force_login(user, "apps.accounts.backends.PolicyBackend")
    return clients


def shown(client: Any, query: str = "") -> list[int]:
    """Return the keys of the rows that a page shows."""
    response = client.get(URL + query, secure=True)
    assert response.status_code == 200, response.status_code
    return [int(key) for key in _KEY.findall(response.content.decode())]


def seconds_of(client: Any, query: str) -> Callable[[], float]:
    def run_often() -> float:
        started_at = time.perf_counter()
        for _ in range(REQUESTS):
            assert len(shown(client, query)) == 100
        return time.perf_counter() - started_at

    return run_often


def queries(client: Any) -> float:
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    with CaptureQueriesContext(connection) as captured:
        shown(client)
    return len(captured)


def slowest_ms(client: Any) -> float:
    """Return the time of the slowest of the filters, searches and ends of the list, each the better of two."""
    worst = 0.0
    for query in (
        "?q=2019",
        "?q=C-99",
        "?p=last",
        "?o=1",
        "?o=-6",
        "?belongs=crm.deal:7",
        "?belongs=none",
        "?trash=1",
    ):
        spent = []
        for _ in range(2):
            started_at = time.perf_counter()
            shown(client, query)
            spent.append((time.perf_counter() - started_at) * 1000)
        worst = max(worst, min(spent))
    return worst


def bench_of(name: str, what: str, clients: dict[str, Any]) -> Bench:
    from apps.accounts.models import User
    from apps.documents.models import Document

    client = clients[name]

    def same_rows() -> None:
        """Each page shows the newest hundred that its reader may see."""
        for who in ("administrator", name):
            user = User.objects.get(pk=clients[who].session["_auth_user_id"])
            newest = Document.objects.visible_to(user).order_by("-pk").values_list("pk", flat=True)[:100]
            assert shown(clients[who]) == list(newest)

    return Bench(
        name=f"documents-{name}-{what}",
        claim=f"the {what} of {DOCUMENTS:,} documents for a {name}, against an administrator's; {REQUESTS} requests",
        limit=seconds_of(clients["administrator"], QUERIES[what]),
        ours=seconds_of(client, QUERIES[what]),
        same_work=same_rows,
        goal=at_most(1.3),
        rounds=ROUNDS,
        budgets=[
            Budget("queries", lambda: queries(client), MOST_QUERIES),
            Budget("slowest filter", lambda: slowest_ms(client), 400, "ms"),
        ],
    )


def main() -> int:
    clients = fill()
    return max(run(bench_of(name, what, clients)) for name in ("lead", "salesperson") for what in QUERIES)


if __name__ == "__main__":
    with own_services():
        raise SystemExit(main())

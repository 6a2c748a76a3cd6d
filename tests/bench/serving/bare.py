"""
The limit of the API: a bare WSGI application over the same tables, where PostgreSQL builds the same JSON.

It knows no users, no rights, no filters, no history's request and no refusals; it has a pool of connections, and every
statement is prepared. Its answers are those of the API to the byte, as the benchmark sees to before it measures.
"""

import json
import os
from base64 import b64encode
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import quote
from uuid import uuid4

from psycopg import Connection
from psycopg.rows import TupleRow
from psycopg.types.json import set_json_loads
from psycopg_pool import ConnectionPool

# What is built as JSON leaves as it came.
set_json_loads(lambda text: text)


def _configure(connection: Connection[TupleRow]) -> None:
    connection.prepare_threshold = 0
    connection.autocommit = True
    connection.execute("set time zone 'UTC'")


_pool = ConnectionPool(os.environ["DATABASE_URL"], min_size=1, max_size=4, configure=_configure)
_TIME = "replace(to_char({0} at time zone 'utc', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"'), '.000000Z', 'Z')"
_COLUMNS = f"""
    d.id, d.number, d.title, d.status, d.pipeline_id as pipeline, d.stage_id as stage, s.name as stage_name,
    d.company_id as company, c.name as company_name, d.person_id as person, p.full_name as person_name,
    d.owner_id as owner, u.name as owner_name, d.team_id as team,
    case when d.amount is not null then
        json_build_object('amount', d.amount::text, 'currency', d.currency) end as amount, d.amount_mode,
    d.currency, d.probability, d.opened_date, d.expected_close_date, {_TIME.format("d.closed_at")} as closed_at,
    d.lost_reason_id as lost_reason, d.lost_note, d.next_step, d.next_step_date,
    {_TIME.format("d.stage_entered_at")} as stage_entered_at, d.description,
    array(select tag_id from crm_deal_tags where deal_id = d.id order by 1) as tags, d.custom,
    {_TIME.format("d.archived_at")} as archived_at, {_TIME.format("d.created_at")} as created_at,
    {_TIME.format("d.updated_at")} as updated_at, d.version
"""
_JOINS = """
    left join crm_stage s on s.id = d.stage_id left join crm_company c on c.id = d.company_id
    left join crm_person p on p.id = d.person_id left join accounts_user u on u.id = d.owner_id
"""
# Whether there is a 51st is the one thing that a client of pages has to be told besides.
_LIST = f"""
    with page as (select * from crm_deal where id < %s order by id desc limit 51)
    select (select array_agg(id order by id desc) from page), (
        select array_to_json(array_agg(row_to_json(r))) from (
            select {_COLUMNS} from (select * from page order by id desc limit 50) d {_JOINS} order by d.id desc
        ) r
    )
"""
_DETAIL = f"select d.version, (select row_to_json(r) from (select {_COLUMNS}) r) from crm_deal d {_JOINS} where d.id = %s"
_TELL_HISTORY = "select set_config('artel.change_set', %s, true)"
_INSERT = """
    insert into crm_deal (created_at, created_by_id, updated_at, updated_by_id, version, external_source, external_id,
        title, pipeline_id, stage_id, status, company_id, person_id, owner_id, team_id, amount, currency, probability,
        opened_date, lost_note, next_step, next_step_date, stage_entered_at, description)
    select now(), %(actor)s, now(), %(actor)s, 1, '', '', %(title)s, s.pipeline_id, s.id, 'OPEN', %(company)s,
        %(person)s, %(actor)s, %(team)s, %(amount)s, %(currency)s, s.probability, current_date, '', %(next_step)s,
        %(next_step_date)s, now(), ''
    from crm_stage s where s.id = %(stage)s returning id
"""
_STEP = """
    insert into crm_stagetransition (deal_id, to_stage_id, at, actor_id, face, reason, amount)
    values (%(deal)s, %(stage)s, now(), %(actor)s, 'API', '', %(amount)s)
"""
_PUBLISH = """
    with told as (
        select d.id, jsonb_build_object(
            'id', d.id, 'number', d.number, 'title', d.title, 'status', d.status,
            'pipeline', jsonb_build_object('id', l.id, 'name', l.name),
            'stage', jsonb_build_object('id', s.id, 'name', s.name, 'kind', s.kind),
            'company', case when c.id is not null then jsonb_build_object('id', c.id, 'name', c.name) end,
            'person', case when p.id is not null then jsonb_build_object('id', p.id, 'name', p.full_name) end,
            'owner', jsonb_build_object('id', u.id, 'name', u.name),
            'team', case when t.id is not null then jsonb_build_object('id', t.id, 'name', t.name) end,
            'amount', case when d.amount is not null then
                jsonb_build_object('amount', d.amount::text, 'currency', d.currency) end,
            'currency', d.currency, 'probability', d.probability, 'opened_date', d.opened_date,
            'expected_close_date', d.expected_close_date, 'stage_entered_at', d.stage_entered_at,
            'closed_at', d.closed_at, 'lost_reason', null, 'lost_note', d.lost_note, 'next_step', d.next_step,
            'next_step_date', d.next_step_date, 'tags', '[]'::jsonb, 'custom', d.custom, 'archived_at', d.archived_at,
            'version', d.version, 'external_source', d.external_source, 'external_id', d.external_id
        ) as data
        from crm_deal d join crm_pipeline l on l.id = d.pipeline_id join crm_stage s on s.id = d.stage_id
        join accounts_user u on u.id = d.owner_id left join accounts_team t on t.id = d.team_id
        left join crm_company c on c.id = d.company_id left join crm_person p on p.id = d.person_id
        where d.id = %(deal)s
    ), counted as (
        insert into events_aggregate as a (subject, sequence) select 'deal/' || id, 1 from told
        on conflict (subject) do update set sequence = a.sequence + 1 returning subject, sequence
    ), event as (
        insert into events_event (uid, type, subject, sequence, at, actor_id, data)
        select gen_random_uuid(), 'crm.deal.created.v1', subject, sequence, now(), %(actor)s, data from told, counted
        returning id
    )
    insert into events_outbox (event_id) select id from event
"""
Start = Callable[[str, list[tuple[str, str]]], object]


def application(environ: dict[str, Any], start_response: Start) -> Iterable[bytes]:
    """Serve `/deals/?after=`, `/deals/<id>/`, and a POST of a deal."""
    path = environ["PATH_INFO"]
    with _pool.connection() as connection:
        if environ["REQUEST_METHOD"] == "POST":
            status, body = "201 Created", _create(connection, json.loads(environ["wsgi.input"].read()))
        elif path == "/deals/":
            status, body = "200 OK", _list(connection, environ)
        else:
            status, body = "200 OK", _detail(connection, int(path.split("/")[2]))
    headers = [("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
    start_response(status, headers)
    return [body]


def _list(connection: Connection[TupleRow], environ: dict[str, Any]) -> bytes:
    after = environ["QUERY_STRING"].removeprefix("after=")
    keys, rows = connection.execute(_LIST, [int(after or 2**62)]).fetchone() or ([], b"")
    base = f"http://{environ['HTTP_HOST']}/api/v1/crm/deals/?cursor="
    following = f'"{base}{_cursor(f"p={keys[49]}")}"' if len(keys) > 50 else "null"
    before = f'"{base}{_cursor(f"r=1&p={keys[0]}")}"' if after else "null"
    return b'{"next":%s,"previous":%s,"results":%s}' % (following.encode(), before.encode(), rows)


def _cursor(text: str) -> str:
    return quote(b64encode(text.encode()).decode())


def _detail(connection: Connection[TupleRow], pk: int) -> bytes:
    _version, row = connection.execute(_DETAIL, [pk]).fetchone() or (0, b"")
    return bytes(row)


def _create(connection: Connection[TupleRow], given: dict[str, Any]) -> bytes:
    money = given.pop("amount")
    values = given | {"amount": money["amount"], "currency": money["currency"]}
    with connection.transaction():
        request = {"uid": str(uuid4()), "face": "API", "actor": values["actor"], "request": uuid4().hex}
        connection.execute(_TELL_HISTORY, [json.dumps(request)])
        (deal,) = connection.execute(_INSERT, values).fetchone() or (0,)
        values["deal"] = deal
        connection.execute(_STEP, values)
        connection.execute(_PUBLISH, values)
        return _detail(connection, deal)

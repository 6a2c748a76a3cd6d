"""Deciding every row of a batch, set by set: what it refers to, which known row it is, whether it would change that."""

import hashlib
import json

from rapidfuzz import fuzz, process

from apps.crm.imports.loading import Loader, Match
from apps.crm.imports.sql import fetch, literal, run
from apps.crm.models import ImportBatch

# Up to so many names are compared in memory, where typing errors are judged better; beyond, PostgreSQL's trigrams do it.
_NAMES_IN_MEMORY = 20_000
# So many unknown values get a suggestion; a file with more has another problem.
_SUGGESTED = 500
_NEAR = 72


def decide(loader: Loader) -> None:
    """Give every staged row its verdict; rows that have errors already keep them and gather more."""
    # Verdicts change from statement to statement, unseen by the planner's statistics: it would expect one row where
    # there are thousands and join them one by one.
    run("set local enable_nestloop = off")
    # Room for the keys of some hundred thousand rows, which would otherwise go through files on the disk.
    run("set local work_mem = '64MB'")
    _duplicates(loader)
    _recognize(loader)
    for field in loader.reference_fields:
        _resolve(loader, field)
    loader.check()
    _modes(loader)
    _unchanged(loader)
    run("set local enable_nestloop to default")
    run("set local work_mem to default")


def digest(batch: ImportBatch) -> str:
    """Return the SHA-256 over what was decided: rows in blocks of a thousand lines, then references and settings."""
    total = hashlib.sha256()
    blocks = fetch(
        "select encode(sha256(convert_to(string_agg(concat_ws('|', line, verdict, target_id, target_version, data),"
        " E'\\n' order by line), 'UTF8')), 'hex')"
        f" from crm_importrow where batch_id = {batch.pk} group by line / 1000 order by line / 1000"
    )
    references = fetch(
        f"select field, key, target_id, code from crm_importreference where batch_id = {batch.pk} order by 1, 2"
    )
    settings = [batch.kind, batch.mapping, batch.mode, batch.match_by, batch.options, batch.source]
    total.update("".join(block for (block,) in blocks).encode())
    total.update(json.dumps([references, settings], sort_keys=True, default=str).encode())
    return total.hexdigest()


def find_conflicts(loader: Loader, first: int, last: int) -> int:
    """
    Lock the known rows between two lines and set aside what is no longer as it was rehearsed.

    :return: how many rows were set aside
    """
    here = f"r.batch_id = {loader.batch.pk} and r.line between {first} and {last}"
    known = f"select r.target_id from crm_importrow r where {here} and r.verdict = 'U' offset 0"
    fetch(f"select 1 from {loader.table} where id in ({known}) order by id for update")
    changed = _set_aside(
        loader,
        "changed_meanwhile",
        f"select r.line from crm_importrow r left join {loader.table} t on t.id = r.target_id where {here}"
        " and r.verdict = 'U' and t.version is distinct from r.target_version",
    )
    if not loader.can_change_all:
        # A row may have become somebody else's since the rehearsal.
        within = loader.visible(loader.kind.model, "pk", action="change")
        foreign = f"select r.line from crm_importrow r where {here} and r.verdict = 'U' and r.target_id not in ({within})"
        changed += _set_aside(loader, "not_allowed", foreign)
    created = [
        f"select r.line from crm_importrow r join ({match.candidates}) c (key, id, version, is_archived)"
        f" on c.key = {match.key} where {here} and r.verdict = 'C'"
        for match in _chosen_matches(loader).values()
    ]
    if created:
        changed += _set_aside(loader, "created_meanwhile", " union ".join(created))
    return changed


def _set_aside(loader: Loader, code: str, lines: str) -> int:
    return run(
        f"update crm_importrow r set verdict = 'X', errors = coalesce(r.errors, '[]') ||"
        f" jsonb_build_array(jsonb_build_object('field', '', 'code', '{code}', 'value', ''))"
        f" where r.batch_id = {loader.batch.pk} and r.line in ({lines})"
    )


def _chosen_matches(loader: Loader) -> dict[str, Match]:
    matches = loader.matches()
    return {
        field: matches[field]
        for field in loader.batch.match_by
        if field in matches and field in loader.mapped
    }


def _duplicates(loader: Loader) -> None:
    """Refuse rows that repeat a key of an earlier row of the file, and name that row's line."""
    unique = {field.key for field in loader.kind.fields if field.unique and field.key in loader.mapped}
    chosen = _chosen_matches(loader)
    for field in sorted(unique | chosen.keys()):
        key = chosen[field].key if field in chosen else f"upper(r.data->>'{field}')"
        here = f"r.batch_id = {loader.batch.pk} and r.verdict = 'C'"
        run(
            f"with first as (select {key} as key, min(r.line) as line from crm_importrow r where {here}"
            f" and {key} is not null group by 1 having count(*) > 1)\n"
            "update crm_importrow r set verdict = 'E', errors = coalesce(r.errors, '[]') || jsonb_build_array("
            f"jsonb_build_object('field', '{field}', 'code', 'duplicate_in_file', 'value', r.data->>'{field}',"
            " 'params', jsonb_build_object('line', first.line)))\n"
            f"from first where {here} and {key} = first.key and r.line <> first.line"
        )


def _recognize(loader: Loader) -> None:
    """Find the known row for each staged one."""
    matches = _chosen_matches(loader)
    if not matches:
        return
    here = f"r.batch_id = {loader.batch.pk} and r.verdict = 'C'"
    hits = " union all ".join(
        f"select r.line, c.id, c.version, c.is_archived from crm_importrow r"
        f" join ({match.candidates}) c (key, id, version, is_archived) on c.key = {match.key} where {here}"
        for match in matches.values()
    )
    run(
        f"with hit as ({hits}), one as (select line, min(id) as id, min(version) as version,"
        " count(distinct id) as n, bool_or(is_archived) as is_archived from hit group by line)\n"
        "update crm_importrow r set target_id = one.id, target_version = one.version,"
        " verdict = case when one.n > 1 or one.is_archived then 'E' else 'U' end,"
        ' errors = case when one.n > 1 then \'[{"field": "", "code": "ambiguous_row", "value": ""}]\'::jsonb'
        ' when one.is_archived then \'[{"field": "", "code": "in_trash", "value": ""}]\'::jsonb end\n'
        f"from one where r.batch_id = {loader.batch.pk} and r.line = one.line"
    )
    _same_targets(loader)
    if not loader.can_change_all:
        allowed = loader.visible(loader.kind.model, "pk", action="change")
        loader.refuse(f"r.verdict = 'U' and r.target_id not in ({allowed})", "", "not_allowed")


def _same_targets(loader: Loader) -> None:
    """Refuse rows that were recognized, by another key, as the same known row as an earlier one."""
    here = f"r.batch_id = {loader.batch.pk} and r.verdict = 'U'"
    run(
        f"with first as (select r.target_id, min(r.line) as line from crm_importrow r where {here}"
        " group by 1 having count(*) > 1)\n"
        "update crm_importrow r set verdict = 'E', errors = coalesce(r.errors, '[]') || jsonb_build_array("
        "jsonb_build_object('field', '', 'code', 'same_target', 'value', '', 'params',"
        " jsonb_build_object('line', first.line)))\n"
        f"from first where {here} and r.target_id = first.target_id and r.line <> first.line"
    )


def _resolve(loader: Loader, field: str) -> None:
    """Look up the different values of a reference field once, and refuse the rows whose value is not one row."""
    batch = loader.batch.pk
    names = f"r.data->>'{field}'"
    if loader.kind.by_key[field].type == "references":
        names = f"unnest(string_to_array(r.data->>'{field}', ', '))"
    run(
        "insert into crm_importreference (batch_id, field, key, value, count, target_id, code, suggestion)\n"
        f"select {batch}, '{field}', k.key, k.value, k.count, case when c.n = 1 then c.id end,"
        " case when c.n is null then 'unknown' when c.n > 1 then 'ambiguous' else '' end, ''\n"
        "from (select upper(name) as key, min(name) as value, count(*) as count"
        f" from (select {names} as name from crm_importrow r where r.batch_id = {batch}) given"
        " where name is not null group by 1) k\n"
        "left join (select upper(name) as key, count(distinct id) as n, min(id) as id"
        f" from ({loader.candidates(field)}) found (name, id) group by 1) c on c.key = k.key"
    )
    if field in loader.create_missing() and loader.may_create(field):
        run(
            f"update crm_importreference set code = '' where batch_id = {batch} and field = '{field}'"
            " and code = 'unknown'"
        )
    _suggest(loader, field)
    _refuse_unresolved(loader, field)


def _suggest(loader: Loader, field: str) -> None:
    """Propose the nearest existing value for each unknown one."""
    batch = loader.batch.pk
    unknown = [
        value
        for (value,) in fetch(
            f"select value from crm_importreference where batch_id = {batch} and field = '{field}'"
            f" and code = 'unknown' order by count desc limit {_SUGGESTED}"
        )
    ]
    if not unknown:
        return
    known = fetch(
        f"select distinct name from ({loader.candidates(field)}) found (name, id) limit {_NAMES_IN_MEMORY + 1}"
    )
    for value in unknown:
        near = (
            _nearest(value, [name for (name,) in known])
            if len(known) <= _NAMES_IN_MEMORY
            else _nearest_of_many(loader, field, value)
        )
        if near:
            run(
                f"update crm_importreference set suggestion = {literal(near)} where batch_id = {batch}"
                f" and field = '{field}' and value = {literal(value)}"
            )


def _nearest(value: str, names: list[str]) -> str | None:
    found = process.extractOne(
        value, names, scorer=fuzz.ratio, processor=lambda text: str(text).casefold(), score_cutoff=_NEAR
    )
    return str(found[0]) if found else None


def _nearest_of_many(loader: Loader, field: str, value: str) -> str | None:
    found = fetch(
        f"select name from ({loader.candidates(field)}) found (name, id) where upper(name) % upper({literal(value)})"
        f" order by similarity(upper(name), upper({literal(value)})) desc limit 1"
    )
    return str(found[0][0]) if found else None


def _refuse_unresolved(loader: Loader, field: str) -> None:
    batch = loader.batch.pk
    key = f"upper(r.data->>'{field}') = ref.key"
    if loader.kind.by_key[field].type == "references":
        key = f"ref.key = any(string_to_array(upper(r.data->>'{field}'), ', '))"
    run(
        "with wrong as (select r.line, jsonb_agg(jsonb_strip_nulls(jsonb_build_object("
        f"'field', '{field}', 'code', ref.code, 'value', ref.value, 'suggestion', nullif(ref.suggestion, '')))) as errors"
        f" from crm_importrow r join crm_importreference ref on ref.batch_id = {batch} and ref.field = '{field}'"
        f" and ref.code <> '' and {key} where r.batch_id = {batch} group by 1)\n"
        "update crm_importrow r set verdict = 'E', errors = coalesce(r.errors, '[]') || wrong.errors from wrong"
        f" where r.batch_id = {batch} and r.line = wrong.line"
    )


def _modes(loader: Loader) -> None:
    """Refuse what the person did not want: known rows, or new ones."""
    if loader.batch.mode == ImportBatch.Mode.CREATE:
        loader.refuse("r.verdict = 'U'", "", "exists")
    elif loader.batch.mode == ImportBatch.Mode.UPDATE:
        loader.refuse("r.verdict = 'C'", "", "not_found")


def _unchanged(loader: Loader) -> None:
    """Tell the rows that would change nothing."""
    changes = " or ".join(f"({condition})" for condition in loader.changes()) or "false"
    run(
        f"with same as (select r.line from {loader.source_with_known()}\n"
        f"where r.batch_id = {loader.batch.pk} and r.verdict = 'U' and not ({changes}))\n"
        "update crm_importrow r set verdict = 'S' from same"
        f" where r.batch_id = {loader.batch.pk} and r.line = same.line"
    )

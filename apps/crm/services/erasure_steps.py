"""
The job that erases a person: some rows of one place a chunk, what follows from them after them, history at last.

What a chunk has done it may do again: an update to nothing changes nothing more, and what is deleted stays so.
"""

from typing import Any

from django.db import connection
from django.utils import timezone

from apps.common.personal import place_of, places
from apps.crm import events
from apps.crm.models import Erasure, Person
from apps.crm.services.erasing import counted
from apps.crm.services.subjects import subject_of, to_erase
from apps.documents.services.erasing import remove_contents as remove_files
from apps.events.failpoints import failpoint
from apps.events.services import publish
from apps.jobs.kinds import Reporter, Step
from apps.jobs.models import Job

# Short enough that nobody waits for it: a document takes its versions and texts along.
CHUNK = 200


def remove_contents(job: Job, reporter: Reporter) -> bool:
    """
    Remove the files of documents that are deleted by now, outside of transactions.

    :return: whether that was what this turn was for
    """
    if not job.checkpoint.get("is_clearing"):
        return False
    erasure = Erasure.objects.get(pk=job.params["erasure"])
    remove_files(erasure.contents)
    failpoint("erasure.after_files")
    return True


def erase_step(job: Job, reporter: Reporter, has_cleared: bool) -> Step:  # noqa: FBT001 - what was prepared
    """Erase the next rows, or say that nothing is left of them."""
    erasure = Erasure.objects.select_for_update(of=("self",)).get(pk=job.params["erasure"])
    if has_cleared:
        return _finish(job, erasure)
    place = {"index": 0, "after": 0, "done": 0} | job.checkpoint
    if not place.get("has_searched"):
        _search(erasure)
        failpoint("erasure.has_searched")
        total = sum(len(entry["keys"]) for entry in erasure.reach)
        return Step(checkpoint=place | {"has_searched": True}, done=place["done"], total=total)
    if place["index"] >= len(erasure.reach) and not _look_again(erasure):
        return Step(
            checkpoint=place | {"is_clearing": True},
            done=place["done"],
            total=max(job.total or 0, place["done"]),
        )
    entry = erasure.reach[place["index"]]
    keys = entry["keys"][place["after"] : place["after"] + CHUNK]
    _tell_database(erasure)
    context = _context(erasure)
    place_of(entry["place"]).blank(keys, context)
    if context["contents"]:
        erasure.contents = [*erasure.contents, *context["contents"]]
        erasure.save(update_fields=["contents"])
    failpoint("erasure.in_chunk")
    is_over = place["after"] + len(keys) >= len(entry["keys"])
    place["done"] += len(keys)
    place["index"], place["after"] = (
        (place["index"] + 1, 0) if is_over else (place["index"], place["after"] + len(keys))
    )
    return Step(checkpoint=place, done=place["done"], total=max(job.total or 0, place["done"]))


def _context(erasure: Erasure) -> dict[str, Any]:
    people = next(entry["keys"] for entry in erasure.reach if entry["place"] == "crm.person")
    return {
        "people": people,
        "name": f"№ {erasure.person_id}",
        "actor": erasure.owner_id,
        "contents": [],
    }


def _tell_database(erasure: Erasure) -> None:
    """Let the guards of records that are never changed know that this transaction erases (`crm_is_erasing`)."""
    with connection.cursor() as cursor:
        cursor.execute("select set_config('artel.erasing', %s, true)", [str(erasure.pk)])


def _search(erasure: Erasure) -> None:
    """
    Add what only going through all rows finds, before anything is erased: the person's addresses lead there.

    History stays the last: it records what becomes of the others.
    """
    subject = subject_of(Person.objects.get(pk=erasure.person_id))
    known = {entry["place"] for entry in erasure.reach}
    for place, keys in to_erase(subject, searches=True):
        if not place.is_searched or place.label in known:
            continue
        if keys:
            erasure.reach.append({"place": place.label, "keys": keys})
        entry = counted(place, subject, keys)
        if entry["erased"] or entry["kept"]:
            erasure.counts.append(entry)
    order = {place.label: number for number, place in enumerate(places())}
    erasure.reach.sort(key=lambda entry: order[entry["place"]])
    erasure.save(update_fields=["reach", "counts"])


def _look_again(erasure: Erasure) -> bool:
    """Add what has come in since the rehearsal; tell whether there was anything."""
    known = {(entry["place"], repr(key)) for entry in erasure.reach for key in entry["keys"]}
    fresh = []
    for place, keys in to_erase(subject_of(Person.objects.get(pk=erasure.person_id)), searches=True):
        if new := [key for key in keys if (place.label, repr(key)) not in known]:
            fresh.append({"place": place.label, "keys": new})
    if fresh:
        erasure.reach = [*erasure.reach, *fresh]
        erasure.save(update_fields=["reach"])
    return bool(fresh)


def _finish(job: Job, erasure: Erasure) -> Step:
    erasure.state, erasure.applied_at, erasure.contents = Erasure.State.APPLIED, timezone.now(), []
    erasure.save(update_fields=["state", "applied_at", "contents"])
    # Never more than the key: who hears of it shall forget, too.
    publish(events.PERSON_ERASED, erasure.person_id, {"id": erasure.person_id}, actor_id=erasure.owner_id)
    done = int(job.checkpoint.get("done", 0))
    return Step(
        checkpoint=job.checkpoint, done=done, total=done, result={"erasure": erasure.pk, "erased": done}
    )

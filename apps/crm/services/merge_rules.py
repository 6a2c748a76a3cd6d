"""
What becomes of everything that points at a company or a person when it is merged into another.

Each relation to them, of whatever app, has a rule here; a test fails on one that has none. Apps above register theirs
from their ready().
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from django.apps import apps
from django.contrib.contenttypes.models import ContentType
from django.db import models
from django.db.models import QuerySet
from django.utils.translation import ngettext

from apps.accounts import access
from apps.accounts.models import User
from apps.accounts.rows import write_many
from apps.crm import events, lead_facts
from apps.crm.models import (
    ActivityLink,
    Company,
    ContactPoint,
    Deal,
    DealParticipant,
    Employment,
    Lead,
    Person,
)
from apps.crm.services import rows
from apps.documents.models import DocumentLink
from apps.documents.services.links import move_links
from apps.events.services import publish_many

Merged = Company | Person


@dataclass
class Merge:
    """Two locked rows of one kind, one of which becomes part of the other."""

    winner: Merged
    loser: Merged
    actor: User
    # What is told once everything has moved.
    told: list[Callable[[], None]] = field(default_factory=list)

    def at_loser(self, column: str) -> dict[str, Any]:
        return {column: self.loser.pk}


@dataclass(frozen=True)
class MergeRule:
    """
    What becomes of one relation.

    :param relation: the foreign key that points there, as "crm.Deal.company", or the one of a generic relation that
        says which kind of row is meant, as "documents.DocumentLink.target_type"
    :param move: lets the rows that point at the loser point at the winner; None leaves them
    :param why: why they are left
    :param rows: those of the rows that somebody may see, for whoever is about to merge
    :param counted: says their number in words
    """

    model: type[models.Model]
    relation: str
    move: Callable[[Merge], object] | None = None
    why: str = ""
    rows: Callable[[models.Model, User], QuerySet[Any]] | None = None
    counted: Callable[[int], str] | None = None


_rules: dict[tuple[type[models.Model], str], MergeRule] = {}


def register_merge_rule(rule: MergeRule) -> None:
    """Say what becomes of a relation; called from the ready() of the app that has it."""
    if (rule.move is None) is not bool(rule.why):
        raise ValueError(f"{rule.relation} is either moved, or left for a reason")
    _rules[rule.model, rule.relation] = rule


def rules_of(model: type[models.Model]) -> list[MergeRule]:
    """Return the rules in the order in which they are followed."""
    return [rule for (of, _relation), rule in _rules.items() if of is model]


def relations_of(model: type[models.Model]) -> set[str]:
    """Name every relation by which rows of any app point at rows of a model."""
    found = set()
    for relation in model._meta.get_fields(include_hidden=True):
        # Many-to-many relations are met as the keys of their table.
        if relation.auto_created and not relation.concrete and not relation.many_to_many:
            found.add(_name_of(relation.field))  # type: ignore[union-attr]
    for other in apps.get_models(include_auto_created=True):
        for key in other._meta.concrete_fields:
            if key.is_relation and key.related_model is ContentType:
                found.add(_name_of(key))
    return found


def _name_of(key: Any) -> str:
    return f"{key.model._meta.label}.{key.name}"


def unruled(model: type[models.Model]) -> list[str]:
    """List the relations of which nobody has said what becomes of them."""
    return sorted(relations_of(model) - {rule.relation for rule in rules_of(model)})


@dataclass(frozen=True)
class Moving:
    """How many rows of one kind would move, in words."""

    relation: str
    count: int
    words: str


def moving(loser: Merged, *, actor: User) -> list[Moving]:
    """Count what would move with a row, as far as the actor may see it."""
    found = []
    for rule in rules_of(type(loser)):
        if rule.rows is None or rule.counted is None:
            continue
        count = rule.rows(loser, actor).count()
        if count:
            found.append(Moving(rule.relation, count, rule.counted(count)))
    return found


# Deals


def _move_deals(column: str) -> Callable[[Merge], None]:
    def move(merge: Merge) -> None:
        deals = list(Deal.objects.filter(**merge.at_loser(column)).order_by("pk"))
        for deal in deals:
            setattr(deal, f"{column}_id", merge.winner.pk)
        write_many([(deal, [f"{column}_id"]) for deal in deals], actor=merge.actor)
        merge.told.append(lambda: _tell_deals(deals, merge.actor))

    return move


def _tell_deals(deals: list[Deal], actor: User) -> None:
    snapshots = events.deal_snapshots([deal.pk for deal in deals])
    publish_many(events.DEAL_CHANGED, snapshots, actor_id=actor.pk)
    for pipeline_id in {deal.pipeline_id for deal in deals}:
        events.poke_board(pipeline_id)


# Contacts


def _move_contacts(column: str) -> Callable[[Merge], None]:
    def move(merge: Merge) -> None:
        """Take the contacts along, those in the trash too; the winner's primary ones stay primary."""
        kept = ContactPoint.objects.active().filter(**{column: merge.winner.pk}, is_primary=True)
        points = ContactPoint.objects.filter(**merge.at_loser(column))
        points.active().filter(kind__in=kept.values("kind"), is_primary=True).update(is_primary=False)
        points.update(**{column: merge.winner.pk})

    return move


# Employments


def _move_people(merge: Merge) -> None:
    """Let whoever works at the loser work at the winner; who works at both works there once."""
    people = [employment.person for employment in _work(merge, "company", "person")]
    write_many([(person, []) for person in people], actor=merge.actor)
    merge.told.append(lambda: _tell_people([person.pk for person in people], merge.actor))


def _tell_people(ids: Iterable[int], actor: User) -> None:
    publish_many(events.PERSON_CHANGED, events.person_snapshots(ids), actor_id=actor.pk)


def _move_work(merge: Merge) -> None:
    """Let the winner work where the loser does; of two primary employments the winner's stays it."""
    if merge.winner.employments.filter(is_primary=True).exists():
        Employment.objects.filter(person=merge.loser.pk, is_primary=True).update(is_primary=False)
    _work(merge, "person", "company")


def _work(merge: Merge, column: str, other: str) -> list[Employment]:
    """Move employments, those that stand for the same collapsed into the winner's; return what the loser had."""
    found = list(Employment.objects.filter(**merge.at_loser(column)).select_related("person").order_by("pk"))
    there = {
        getattr(employment, f"{other}_id"): employment
        for employment in Employment.objects.filter(**{column: merge.winner.pk})
    }
    for employment in found:
        twin = there.get(getattr(employment, f"{other}_id"))
        if twin is None:
            Employment.objects.filter(pk=employment.pk).update(**{column: merge.winner.pk})
        else:
            _collapse(employment, twin)
    return found


def _collapse(gone: Employment, kept: Employment) -> None:
    # First, for a person has one primary employment.
    Employment.objects.filter(pk=gone.pk).delete()
    title, is_primary = kept.title or gone.title, kept.is_primary or gone.is_primary
    if (title, is_primary) != (kept.title, kept.is_primary):
        Employment.objects.filter(pk=kept.pk).update(title=title, is_primary=is_primary)


# Companies of a group


def _move_children(merge: Merge) -> None:
    """Hang the companies below the loser under the winner, which by now hangs below none of them."""
    children = list(Company.objects.filter(parent=merge.loser.pk).exclude(pk=merge.winner.pk).order_by("pk"))
    for child in children:
        child.parent_id = merge.winner.pk
    with rows.refusals():
        write_many([(child, ["parent_id"]) for child in children], actor=merge.actor)
    ids = [child.pk for child in children]
    merge.told.append(
        lambda: publish_many(events.COMPANY_CHANGED, events.company_snapshots(ids), actor_id=merge.actor.pk)
    )


# Activities, participants


def _move_activities(column: str) -> Callable[[Merge], None]:
    def move(merge: Merge) -> None:
        """Let what is about the loser be about the winner; what is about both is about the winner once."""
        there = ActivityLink.objects.filter(**{column: merge.winner.pk}).values("activity")
        links = ActivityLink.objects.filter(**merge.at_loser(column))
        links.filter(activity__in=there).delete()
        links.update(**{column: merge.winner.pk})
        merge.told.append(lambda: events.move_timelines([f"{column}:{merge.winner.pk}"]))

    return move


# Leads


def _move_leads(column: str) -> Callable[[Merge], None]:
    def move(merge: Merge) -> None:
        leads = list(Lead.objects.filter(**merge.at_loser(column)).order_by("pk"))
        for lead in leads:
            setattr(lead, f"{column}_id", merge.winner.pk)
        write_many([(lead, [f"{column}_id"]) for lead in leads], actor=merge.actor)
        ids = [lead.pk for lead in leads]
        merge.told.append(lambda: lead_facts.publish_leads(events.LEAD_CHANGED, ids, actor_id=merge.actor.pk))

    return move


def _move_participations(merge: Merge) -> None:
    """Let the winner have the loser's parts in deals; who has the same part twice has it once."""
    there = set(
        DealParticipant.objects.filter(person=merge.winner.pk).values_list("deal_id", "role").order_by("pk")
    )
    for part in DealParticipant.objects.filter(person=merge.loser.pk).order_by("pk"):
        if (part.deal_id, part.role) not in there:
            DealParticipant.objects.filter(pk=part.pk).update(person=merge.winner.pk)
            continue
        twin = DealParticipant.objects.filter(deal=part.deal_id, role=part.role, person=merge.winner.pk)
        DealParticipant.objects.filter(pk=part.pk).delete()
        if part.is_primary:
            twin.update(is_primary=True)


# Tags, documents


def _add_tags(merge: Merge) -> None:
    """Mark the winner with both rows' tags; the loser keeps its own."""
    merge.winner.tags.add(*merge.loser.tags.all())


def _move_documents(merge: Merge) -> None:
    move_links(merge.loser, merge.winner, actor=merge.actor)


def _documents(loser: models.Model, actor: User) -> QuerySet[Any]:
    links = DocumentLink.objects.visible_to(actor).filter(
        target_type=ContentType.objects.get_for_model(loser), target_id=loser.pk
    )
    return links.values("document").distinct()


def _seen(model: type[models.Model], column: str) -> Callable[[models.Model, User], QuerySet[Any]]:
    """Return a count of the rows that point at the loser and may be seen."""

    def of(loser: models.Model, actor: User) -> QuerySet[Any]:
        return model._base_manager.filter(access.scope(actor, "view", model), **{column: loser.pk})

    return of


def _active_contacts(column: str) -> Callable[[models.Model, User], QuerySet[Any]]:
    seen = _seen(ContactPoint, column)
    return lambda loser, actor: seen(loser, actor).filter(archived_at=None)


def _tags(loser: models.Model, actor: User) -> QuerySet[Any]:
    tags: QuerySet[Any] = loser.tags.visible_to(actor)  # type: ignore[attr-defined]
    return tags


def _said(words: Callable[[int], str]) -> Callable[[int], str]:
    return lambda count: words(count) % {"count": count}


_deals = _said(lambda n: ngettext("%(count)s deal", "%(count)s deals", n))
_contacts = _said(lambda n: ngettext("%(count)s contact", "%(count)s contacts", n))
_papers = _said(lambda n: ngettext("%(count)s document", "%(count)s documents", n))
_activities = _said(lambda n: ngettext("%(count)s activity", "%(count)s activities", n))
_parts = _said(lambda n: ngettext("%(count)s part in a deal", "%(count)s parts in deals", n))
_words = _said(lambda n: ngettext("%(count)s tag", "%(count)s tags", n))
_employees = _said(lambda n: ngettext("%(count)s employment", "%(count)s employments", n))
_leads = _said(lambda n: ngettext("%(count)s lead", "%(count)s leads", n))
_maybe_leads = _said(
    lambda n: ngettext(
        "%(count)s lead that seems to be from there", "%(count)s leads that seem to be from there", n
    )
)
_below = _said(lambda n: ngettext("%(count)s company of the group", "%(count)s companies of the group", n))

_FOLDERS = "A folder stays with the row that it was made for; documents move by their links, and their files follow them."
_SHARED = (
    "What was shared of one row was decided for that row: whoever sees it need not see all of the other."
)
_LOGGED = "A log says what was done to which row then."
_ASKED = "What was told about one row, or erased of it, then."
_NO_ROW = "Speaks of a kind of rows, and of no single one."
_CHAIN = "What was merged into it before leads there step by step."


def declare() -> None:
    """Declare the rules of this app and of those below, in the order in which they are followed."""
    for model, column, tags, work in (
        (Company, "company", "crm.Company_tags.company", _move_people),
        (Person, "person", "crm.Person_tags.person", _move_work),
    ):
        moved = [
            (f"crm.Deal.{column}", _move_deals(column), _seen(Deal, column), _deals),
            (f"crm.ContactPoint.{column}", _move_contacts(column), _active_contacts(column), _contacts),
            (f"crm.Employment.{column}", work, _seen(Employment, column), _employees),
            (
                f"crm.ActivityLink.{column}",
                _move_activities(column),
                _seen(ActivityLink, column),
                _activities,
            ),
            (
                f"crm.Lead.converted_{column}",
                _move_leads(f"converted_{column}"),
                _seen(Lead, f"converted_{column}"),
                _leads,
            ),
            (
                f"crm.Lead.known_{column}",
                _move_leads(f"known_{column}"),
                _seen(Lead, f"known_{column}"),
                _maybe_leads,
            ),
            (tags, _add_tags, _tags, _words),
            ("documents.DocumentLink.target_type", _move_documents, _documents, _papers),
        ]
        for relation, move, seen, counted in moved:
            register_merge_rule(MergeRule(model, relation, move, rows=seen, counted=counted))
        for relation, why in (
            (f"crm.{model.__name__}.merged_into", _CHAIN),
            ("accounts.AccessGrant.content_type", _SHARED),
            ("documents.DriveFolder.owner_type", _FOLDERS),
            ("admin.LogEntry.content_type", _LOGGED),
            ("auth.Permission.content_type", _NO_ROW),
        ):
            register_merge_rule(MergeRule(model, relation, why=why))
    register_merge_rule(
        MergeRule(
            Company, "crm.Company.parent", _move_children, rows=_seen(Company, "parent"), counted=_below
        )
    )
    for relation in ("crm.Disclosure.person", "crm.Erasure.person"):
        register_merge_rule(MergeRule(Person, relation, why=_ASKED))
    seen = _seen(DealParticipant, "person")
    register_merge_rule(
        MergeRule(Person, "crm.DealParticipant.person", _move_participations, rows=seen, counted=_parts)
    )

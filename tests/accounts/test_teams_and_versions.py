"""
What the database keeps true: paths of teams, no circles, and a new permission version for whom it concerns.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from django.db import IntegrityError, transaction

from apps.accounts.models import Membership, RoleGrant, Team, User
from tests.accounts.factories import make_member, make_role, make_team, make_user

pytestmark = pytest.mark.django_db


def path_of(team: Team) -> str:
    return Team.objects.get(pk=team.pk).path


def test_a_path_leads_from_the_top_to_the_team() -> None:
    top = make_team()
    below = make_team(parent=top)
    assert top.path == f"/{top.pk}/"
    assert below.path == f"/{top.pk}/{below.pk}/"


def test_moving_a_team_takes_along_everything_below_it() -> None:
    old, new = make_team(), make_team()
    team = make_team(parent=old)
    office = make_team(parent=team)
    desk = make_team(parent=office)
    Team.objects.filter(pk=team.pk).update(parent=new)
    assert path_of(desk) == f"/{new.pk}/{team.pk}/{office.pk}/{desk.pk}/"
    Team.objects.filter(pk=team.pk).update(parent=None)
    assert path_of(desk) == f"/{team.pk}/{office.pk}/{desk.pk}/"


def test_a_path_cannot_be_written_by_hand() -> None:
    team = make_team()
    team.path = "/"
    team.save()
    Team.objects.filter(pk=team.pk).update(path="/1/2/3/")
    assert path_of(team) == f"/{team.pk}/"


def test_a_circle_is_refused_by_name() -> None:
    top = make_team()
    below = make_team(parent=make_team(parent=top))
    for parent in (below, top):
        with pytest.raises(IntegrityError) as caught, transaction.atomic():
            Team.objects.filter(pk=top.pk).update(parent=parent)
        assert caught.value.__cause__.diag.constraint_name == "team_cycle"  # type: ignore[union-attr]


@contextmanager
def raises_version_of(*users: User, others: tuple[User, ...] = ()) -> Iterator[None]:
    before = {user.pk: User.objects.get(pk=user.pk).perm_version for user in (*users, *others)}
    yield
    after = {user.pk: User.objects.get(pk=user.pk).perm_version for user in (*users, *others)}
    assert all(after[user.pk] > before[user.pk] for user in users)
    assert all(after[user.pk] == before[user.pk] for user in others)


def test_a_place_given_changed_or_taken_counts_for_its_user_only() -> None:
    user, other = make_user(), make_user()
    with raises_version_of(user, others=(other,)):
        place = Membership.objects.create(user=user, team=make_team(), role=make_role({}))
    with raises_version_of(user, others=(other,)):
        Membership.objects.filter(pk=place.pk).update(role=make_role({}))
    with raises_version_of(user, others=(other,)):
        place.delete()


def test_a_grant_counts_for_all_who_play_the_role() -> None:
    role = make_role({"crm.view_deal": "OWN"})
    team = make_team()
    players = [make_member(team, role) for _ in range(2)]
    other = make_member(team, make_role({}))
    changes: list[Callable[[], object]] = [
        lambda: RoleGrant.objects.create(role=role, permission="crm.win_deal", reach="OWN"),
        lambda: RoleGrant.objects.filter(role=role).update(reach="ALL"),
        lambda: RoleGrant.objects.filter(role=role).delete(),
    ]
    for change in changes:
        with raises_version_of(*players, others=(other,)):
            change()


def test_the_tree_counts_for_those_whose_reach_it_changes() -> None:
    top, elsewhere = make_team(), make_team()
    team = make_team(parent=top)
    role = make_role({"crm.view_deal": "SUBTREE"})
    lead, member, other = make_member(top, role), make_member(team, role), make_member(elsewhere, role)
    with raises_version_of(lead, member, others=(other,)):
        make_team(parent=team)
    with raises_version_of(lead, member, other):
        Team.objects.filter(pk=team.pk).update(parent=elsewhere)
    with raises_version_of(others=(lead, member, other)):
        Team.objects.filter(pk=team.pk).update(name="another name")
    with raises_version_of(member, other, others=(lead,)):
        Team.objects.filter(pk=team.pk).update(archived_at="2026-01-01T00:00Z")


def test_turning_somebody_off_counts_and_an_old_copy_does_not_turn_it_back() -> None:
    user = make_user()
    old_copy = User.objects.get(pk=user.pk)
    with raises_version_of(user):
        User.objects.filter(pk=user.pk).update(is_active=False)
    Membership.objects.create(user=user, team=make_team(), role=make_role({}))
    with raises_version_of(user):
        old_copy.save()
    with raises_version_of(others=(user,)):
        User.objects.filter(pk=user.pk).update(name="another name")

"""A row that is shared is told wherever rows are told, without a word of its neighbours, and not after its end."""

import re
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from apps.accounts import access
from apps.accounts.faces.sockets import may_watch
from apps.accounts.models import AccessGrant
from apps.crm.models import Deal
from tests.access.test_canaries import leaks
from tests.access.test_matrix import world, wrong_in_api
from tests.access.world import CANARY, GUEST, World
from tests.accounts.test_access_grants import unnoticed
from tests.crm.factories import make_deal

__all__ = ["world"]
pytestmark = pytest.mark.django_db
# What the other side is known by, so that one walk through everything listens for both.
NEIGHBOUR = f"{CANARY['B']} next door"


def pages_with(client: Client, deal: Deal, word: str) -> dict[str, bool]:
    """Tell of each face that tells of deals whether a word stands in it."""
    base, api = "/admin/crm/deal/", "/api/v1/crm/deals/"
    choices = {"app_label": "crm", "model_name": "dealline", "field_name": "deal", "term": "canary"}
    asked = {
        "list": (base, {}),
        "search of the list": (base, {"q": "canary"}),
        "page": (f"{base}{deal.pk}/change/", {}),
        "history": (f"{base}{deal.pk}/history/", {}),
        "search": ("/admin/search/", {"s": "canary", "extended": "1"}),
        "autocomplete": ("/admin/autocomplete/", choices),
        "cards": (f"{base}board/{deal.pipeline_id}/cards/", {"ids": str(deal.pk)}),
        "REST list": (api, {}),
        "REST search": (api, {"title__icontains": "canary"}),
        "REST row": (f"{api}{deal.pk}/", {}),
    }
    return {face: word in client.get(path, params).content.decode() for face, (path, params) in asked.items()}


def title_of(deal: Deal) -> str:
    """Return what the deal alone is called: rows that are common to all carry the first side's canary as well."""
    deal.refresh_from_db()
    return deal.title


def test_the_row_is_told_wherever_rows_are_and_its_neighbour_nowhere(world: World) -> None:
    side = world.sides["A"]
    shared = side.rows["crm.Deal"]
    assert isinstance(shared, Deal)
    neighbour = make_deal(NEIGHBOUR, owner=side.owner, team=side.team)
    client = world.client(GUEST)
    told = pages_with(client, shared, title_of(shared))
    # What points at a deal and is chosen by typing is on no page of its own.
    told.pop("autocomplete")
    assert [face for face, is_told in told.items() if not is_told] == []
    assert [face for face, is_told in pages_with(client, neighbour, NEIGHBOUR).items() if is_told] == []
    found, answered = leaks(world, GUEST, CANARY["B"])
    assert found == []
    assert answered > 60


def end_all(world: World) -> None:
    with unnoticed():
        keys = [grant.pk for grant in world.shares]
        AccessGrant.objects.filter(pk__in=keys).update(expires_at=timezone.now() - timedelta(seconds=1))


def test_after_its_end_nothing_is_heard_of_it(world: World) -> None:
    deal = world.sides["A"].rows["crm.Deal"]
    assert isinstance(deal, Deal)
    job = world.sides["A"].rows["jobs.Job"]
    client, guest = world.client(GUEST), world.users[GUEST]
    assert may_watch(guest, f"job:{job.pk}")
    assert pages_with(client, deal, title_of(deal))["REST row"]
    end_all(world)
    assert not may_watch(guest, f"job:{job.pk}")
    assert [face for face, is_told in pages_with(client, deal, title_of(deal)).items() if is_told] == []


def test_without_grants_the_matrix_is_red(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is expected of a guest is expected of what is shared, and of nothing else."""
    end_all(world)
    missed = {
        operation.label for operation, _side, _status, expected in wrong_in_api(world, GUEST) if expected
    }
    assert {"crm.Deal", "crm.Company", "jobs.Job"} <= missed


def test_with_grants_on_everything_of_a_kind_the_matrix_is_red(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A share that forgot which row it is about would show."""
    forgetful = lambda actor, action, share: access.EVERYTHING  # noqa: E731
    monkeypatch.setattr(access, "_shared", forgetful)
    wrong = [entry for entry in wrong_in_api(world, GUEST) if not entry[-1]]
    assert len(wrong) > 10
    neighbour = make_deal(NEIGHBOUR, owner=world.sides["A"].owner, team=world.sides["A"].team)
    told = pages_with(world.client(GUEST), neighbour, NEIGHBOUR)
    assert re.findall("REST row|page", " ".join(face for face, is_told in told.items() if is_told))

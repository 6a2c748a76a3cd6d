"""The same at the same moment: equal messages, turns, takers and qualifiers."""

from functools import partial
from typing import Any

import pytest

from apps.accounts.models import User
from apps.crm.intake import Message
from apps.crm.models import AssignmentRule, Company, Deal, Lead, LeadArrival, Person, StageTransition
from apps.crm.services import leads
from apps.crm.services.intake import take_message
from apps.crm.services.qualifying import qualify_lead
from tests.crm import factories
from tests.crm.leads import make_form, make_lead, make_seller
from tests.crm.test_deal_races import at_once

pytestmark = pytest.mark.django_db(transaction=True)


def took(form_id: int, **values: str) -> int:
    submission_id = values.pop("submission_id", "")
    return take_message(form_id, Message(values, submission_id=submission_id)).lead.pk


def test_equal_messages_at_once_are_one_lead() -> None:
    User.objects.system()
    form = make_form()
    for round_number in range(5):
        email = f"ivan{round_number}@example.org"
        outcome = at_once(*[partial(took, form.pk, name="Ivan", email=email) for _one in range(6)])
        assert len(set(outcome)) == 1, outcome
        assert Lead.objects.get(email_value=email).arrival_count == 6


def test_messages_that_share_contacts_crosswise_wait_for_nobody_in_a_circle() -> None:
    User.objects.system()
    form = make_form()
    both = [
        partial(took, form.pk, email="a@example.org", phone="+74951234567"),
        partial(took, form.pk, phone="+74951234567", telegram="@ivan_p"),
        partial(took, form.pk, telegram="@ivan_p", email="a@example.org"),
    ]
    for _round in range(3):
        assert all(isinstance(pk, int) for pk in at_once(*both, *both))
    assert LeadArrival.objects.count() == 18


def test_one_submission_sent_many_times_at_once_is_one() -> None:
    User.objects.system()
    form = make_form()
    outcome = at_once(
        *[partial(took, form.pk, email="a@example.org", submission_id="one") for _one in range(8)]
    )
    assert len(set(outcome)) == 1
    assert LeadArrival.objects.count() == 1


def test_turns_at_once_are_fair() -> None:
    User.objects.system()
    team = factories.make_team("North")
    people = [make_seller(f"Seller {number}", team) for number in range(3)]
    AssignmentRule.objects.create(name="Turns", to_team=team)
    form = make_form()
    for round_number in range(3):
        at_once(*[partial(took, form.pk, email=f"a{round_number}-{n}@example.org") for n in range(6)])
    counts = [Lead.objects.filter(owner=person).count() for person in people]
    assert counts == [6, 6, 6]


def qualified(lead_id: int, user_id: int) -> int:
    actor = User.objects.get(pk=user_id)
    lead = qualify_lead(lead_id, actor=actor, face=StageTransition.Face.API, deal={})
    assert lead.converted_deal_id is not None
    return lead.converted_deal_id


def test_a_lead_qualified_many_times_at_once_becomes_one_of_each() -> None:
    anna = make_seller("Anna", factories.make_team())
    lead = make_lead("Ivan", owner=anna, company_name="Mebel")
    outcome = at_once(*[partial(qualified, lead.pk, anna.pk) for _one in range(6)])
    assert len(set(outcome)) == 1, outcome
    assert (Person.objects.count(), Company.objects.count(), Deal.objects.count()) == (1, 1, 1)


def claimed(lead_id: int, user_id: int) -> Any:
    try:
        return leads.claim_lead(lead_id, actor=User.objects.get(pk=user_id)).owner_id
    except Lead.DoesNotExist:
        # Somebody else's by now, and with that out of sight.
        return "gone"


def test_of_two_who_take_a_lead_one_is_told() -> None:
    team = factories.make_team()
    people = [make_seller(f"Seller {number}", team) for number in range(4)]
    lead = make_lead()
    outcome = at_once(*[partial(claimed, lead.pk, person.pk) for person in people])
    lead.refresh_from_db()
    assert lead.owner_id in {person.pk for person in people}
    assert sorted(map(str, outcome)) == sorted([str(lead.owner_id), "gone", "gone", "gone"])

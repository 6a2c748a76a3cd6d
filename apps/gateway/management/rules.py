"""The rules of automation of the demo: one that waits for a fact, one that goes by the clock."""

from apps.accounts.models import User
from apps.crm import events
from apps.crm.models import AutomationRule, Stage
from apps.crm.services import automation


def make_rules(lead: User, negotiation: Stage) -> list[AutomationRule]:
    """Write and start them, in the name of whoever leads the north: they act on what comes from now on."""
    big = automation.create_automation(
        actor=lead,
        name="Крупная сделка дошла до переговоров",
        trigger=events.DEAL_MOVED.type,
        condition={
            "where": [
                {"field": "stage.name", "op": "is", "value": negotiation.name},
                {"field": "amount.amount", "op": "at_least", "value": "2000000"},
            ]
        },
        actions=[
            {"kind": "notify", "user": lead.pk, "text": "посмотрите условия, прежде чем уйдёт договор."},
        ],
    )
    still = automation.create_automation(
        actor=lead,
        name="Две недели на этапе без следующего шага",
        trigger="schedule.deal.stage_entered_at",
        schedule={"at": "09:00", "side": "after", "days": 14},
        condition={"where": [{"field": "next_step", "op": "empty"}]},
        actions=[{"kind": "next_step", "text": "Позвонить и решить, что дальше", "days": 1}],
    )
    return [automation.start_automation(rule.pk, actor=lead) for rule in (big, still)]

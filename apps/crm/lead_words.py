"""What is said about leads in words: why they are whose they are, how old they are, who may be meant."""

from typing import Any

from django.utils.translation import gettext as _

from apps.crm.models import Lead


def why_assigned(lead: Lead) -> str:
    """Say why a lead belongs to its owner; empty where nobody has it."""
    because: dict[str, Any] = lead.assigned_because or {}
    if lead.owner_id is None:
        return ""
    words = {
        "hand": _("%(who)s gave it to this person.") % {"who": because.get("who", "")},
        "claim": _("They took it themselves, when it was nobody's."),
        "customer": _("The person or company that it seems to be from is theirs already."),
        "form": _("No rule fitted, and the form names them for such leads."),
        "import": _("It was imported so."),
    }
    by = because.get("by", "")
    return _by_rule(because) if by == "rule" else words.get(by, "")


def _by_rule(because: dict[str, Any]) -> str:
    told = _conditions(because.get("conditions", {}))
    words = {"rule": because.get("rule", ""), "team": because.get("team", ""), "conditions": told}
    if because.get("turn"):
        if told:
            return _("Rule “%(rule)s” (%(conditions)s): it was their turn in %(team)s.") % words
        return _("Rule “%(rule)s”: it was their turn in %(team)s.") % words
    if told:
        return _("Rule “%(rule)s” (%(conditions)s) gives such leads to this person.") % words
    return _("Rule “%(rule)s” gives all leads to this person.") % words


def _conditions(found: dict[str, str]) -> str:
    said = {
        "source": _("source: %(value)s"),
        "form": _("form: %(value)s"),
        "country": _("country: %(value)s"),
        "language": _("language: %(value)s"),
        "contains": _("the message contains “%(value)s”"),
    }
    return ", ".join(said[name] % {"value": value} for name, value in found.items() if name in said)

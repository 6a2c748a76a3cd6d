"""What people are written about telling others."""

from django.utils.translation import gettext_lazy as _

from apps.accounts.letters import Words, add_kinds

WEBHOOK_DISABLED = "notifications/webhook_disabled"
_KINDS = {
    WEBHOOK_DISABLED: Words(
        _("A webhook of yours was turned off"),
        (
            _("Your webhook to %(url)s was turned off. %(reason)s"),
            _(
                "What happens from now on is written down for it. When the other system works again, turn the webhook on"
                " and send again what it has missed."
            ),
        ),
        button=_("Look at the webhook"),
        minutes=3 * 24 * 60,
    ),
}


def declare() -> None:
    """Make these letters known."""
    add_kinds(_KINDS)

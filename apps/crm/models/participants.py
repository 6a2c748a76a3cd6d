"""Who takes part in a deal on the other side."""

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from apps.accounts.scoping import Rule, ScopedQuerySet
from apps.crm.models.companies import Person
from apps.crm.models.deals import Deal


class DealParticipant(models.Model):
    """A person who has a part in a deal; one of them is the one to turn to."""

    class Role(models.TextChoices):
        DECISION_MAKER = "DECISION_MAKER", _("decision maker")
        CHAMPION = "CHAMPION", _("champion")
        USER = "USER", _("will use it")
        BILLING = "BILLING", _("pays the bills")
        PARTNER = "PARTNER", _("partner")

    deal = models.ForeignKey(
        Deal, verbose_name=_("deal"), on_delete=models.CASCADE, related_name="participants", db_index=False
    )
    person = models.ForeignKey(
        Person, verbose_name=_("person"), on_delete=models.PROTECT, related_name="participations"
    )
    role = models.CharField(_("role"), max_length=14, choices=Role)
    is_primary = models.BooleanField(_("primary"), default=False)

    objects = ScopedQuerySet.as_manager()
    access = Rule(via=("deal",))

    class Meta:
        verbose_name = _("participant")
        verbose_name_plural = _("participants")
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(
                fields=["deal", "person", "role"],
                name="deal_participant_unique",
                violation_error_message=_("This person has this role in the deal already."),
            ),
            models.UniqueConstraint(
                fields=["deal"],
                condition=Q(is_primary=True),
                name="deal_participant_one_primary",
                violation_error_message=_("A deal has one primary participant."),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.person} · {self.get_role_display()}"

"""Approvals: who is asked about a document, in which order, until when, and what they decided."""

from collections.abc import Iterable
from typing import Any, Self

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models.functions import Lower
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from apps.accounts.models import AccessGrant, Role, Team, User
from apps.accounts.scoping import Rule, ScopedQuerySet
from apps.common.models import Archivable, Stamped, Versioned
from apps.documents.models.documents import Document, DocumentVersion
from apps.documents.models.places import DocumentType

# A year: who is given more time is not asked.
LONGEST_DAYS = 365


class Asked(models.Model):
    """Who is asked, and when: one person, or whoever plays a role in a team; equal places are asked together."""

    place = models.PositiveSmallIntegerField(
        pgettext_lazy("in a row", "place"), default=1, validators=[MinValueValidator(1)]
    )
    assignee = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("who decides"),
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
    )
    team = models.ForeignKey(
        Team, verbose_name=_("team"), on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    role = models.ForeignKey(
        Role, verbose_name=_("role"), on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    days = models.PositiveSmallIntegerField(
        _("days to decide"),
        null=True,
        blank=True,
        validators=[MinValueValidator(1), MaxValueValidator(LONGEST_DAYS)],
    )

    class Meta:
        abstract = True
        constraints = [
            models.CheckConstraint(
                condition=models.Q(assignee__isnull=False, team=None, role=None)
                | models.Q(assignee=None, team__isnull=False, role__isnull=False),
                name="%(class)s_asks_somebody",
                violation_error_message=_("Name one person, or a role together with its team."),
            ),
        ]

    def deciders(self) -> models.QuerySet[User]:
        """Return everybody of whom one is to decide, as things are now."""
        people = User.objects.filter(is_active=True)
        if self.assignee_id is not None:
            return people.filter(pk=self.assignee_id)
        members = {"memberships__team": self.team_id, "memberships__role": self.role_id}
        return people.filter(**members, memberships__team__archived_at=None).distinct()

    @property
    def asked_name(self) -> str:
        """Whom this asks, in words."""
        return str(self.assignee) if self.assignee_id is not None else f"{self.role} · {self.team}"


class ApprovalRoute(Stamped, Versioned, Archivable):
    """The steps that documents of a type go through, under a name, so that nobody has to think of them each time."""

    name = models.CharField(_("name"), max_length=100)
    type = models.ForeignKey(
        DocumentType, verbose_name=_("type"), on_delete=models.PROTECT, related_name="approval_routes"
    )

    objects = ScopedQuerySet.as_manager()
    access = Rule(shared=True)
    short_list = "A type of documents is approved in a few ways."

    class Meta:
        verbose_name = _("way of approval")
        verbose_name_plural = _("ways of approval")
        permissions = [("archive_approvalroute", _("Can archive and restore ways of approval"))]
        constraints = [
            models.UniqueConstraint(
                "type",
                Lower("name"),
                condition=models.Q(archived_at=None),
                name="approval_route_name_unique",
                violation_error_message=_("There is a way of approval with this name already."),
            ),
        ]

    def __str__(self) -> str:
        return self.name


class ApprovalRouteStep(Asked):
    """Somebody whom a way of approval asks."""

    route = models.ForeignKey(
        ApprovalRoute, verbose_name=_("way of approval"), on_delete=models.CASCADE, related_name="steps"
    )

    objects = ScopedQuerySet.as_manager()
    access = Rule(via=("route",))

    class Meta(Asked.Meta):
        verbose_name = pgettext_lazy("approval", "step")
        verbose_name_plural = pgettext_lazy("approval", "steps")

    def __str__(self) -> str:
        return f"{self.place}. {self.asked_name}"


class Approval(Stamped, Versioned):
    """That one version of a document was sent to be approved, and what came of it."""

    class State(models.TextChoices):
        OPEN = "OPEN", pgettext_lazy("approval", "in review")
        APPROVED = "APPROVED", pgettext_lazy("approval", "approved")
        REJECTED = "REJECTED", pgettext_lazy("approval", "rejected")
        CANCELLED = "CANCELLED", pgettext_lazy("approval", "cancelled")
        # A new version came, and everybody was asked anew about that one.
        RESTARTED = "RESTARTED", pgettext_lazy("approval", "begun anew")

    document = models.ForeignKey(
        Document, verbose_name=_("document"), on_delete=models.CASCADE, related_name="approvals"
    )
    document_version = models.ForeignKey(
        DocumentVersion,
        verbose_name=_("version of the document"),
        on_delete=models.CASCADE,
        related_name="+",
        db_index=False,
    )
    route = models.ForeignKey(
        ApprovalRoute,
        verbose_name=_("way of approval"),
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="approvals",
    )
    state = models.CharField(_("state"), max_length=16, choices=State.choices, default=State.OPEN)
    note = models.TextField(_("what to look at"), max_length=2000, blank=True, default="")
    reason = models.TextField(_("reason"), max_length=2000, blank=True, default="")
    closed_at = models.DateTimeField(_("ended"), null=True, blank=True)

    objects = ScopedQuerySet.as_manager()
    access = Rule(owner="document__owner", team="document__team", unowned=True)

    class Meta:
        verbose_name = _("approval")
        verbose_name_plural = _("approvals")
        permissions = [("decide_approval", _("Can decide about what they are asked"))]
        constraints = [
            models.UniqueConstraint(
                fields=["document"],
                condition=models.Q(state="OPEN"),
                name="approval_open_once",
                violation_error_message=_("This document is in review already."),
            ),
            models.CheckConstraint(
                condition=models.Q(state="OPEN", closed_at=None)
                | (~models.Q(state="OPEN") & models.Q(closed_at__isnull=False)),
                name="approval_closed_or_open",
            ),
        ]
        indexes = [models.Index(fields=["state", "-id"], name="approval_state_latest")]

    def __str__(self) -> str:
        return f"{self.document} · {self.get_state_display()}"


class ApprovalStepQuerySet(ScopedQuerySet["ApprovalStep"]):
    """Steps of approvals."""

    def waiting(self) -> Self:
        """Keep those that somebody is asked about now."""
        return self.filter(state=ApprovalStep.State.ASKED, approval__state=Approval.State.OPEN)

    def of(self, user: User) -> Self:
        """Keep those about which this person may be the one who decides."""
        places = user.memberships.filter(
            team=models.OuterRef("team"), role=models.OuterRef("role"), team__archived_at=None
        )
        return self.filter(models.Q(assignee=user) | models.Q(models.Exists(places)))


class ApprovalStep(Asked):
    """One decision that an approval needs."""

    class State(models.TextChoices):
        WAITING = "WAITING", pgettext_lazy("approval step", "not yet asked")
        ASKED = "ASKED", pgettext_lazy("approval step", "asked")
        APPROVED = "APPROVED", pgettext_lazy("approval step", "approved")
        REJECTED = "REJECTED", pgettext_lazy("approval step", "rejected")
        DELEGATED = "DELEGATED", pgettext_lazy("approval step", "given to somebody else")
        # The approval ended before.
        DROPPED = "DROPPED", pgettext_lazy("approval step", "not needed any more")

    approval = models.ForeignKey(
        Approval, verbose_name=_("approval"), on_delete=models.CASCADE, related_name="steps"
    )
    state = models.CharField(_("state"), max_length=16, choices=State.choices, default=State.WAITING)
    asked_at = models.DateTimeField(_("asked"), null=True, blank=True)
    due_at = models.DateTimeField(_("due"), null=True, blank=True)
    overdue_told_at = models.DateTimeField(null=True, blank=True, editable=False)
    decided_at = models.DateTimeField(_("decided"), null=True, blank=True)
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("decided by"),
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        db_index=False,
    )
    comment = models.TextField(_("comment"), max_length=2000, blank=True, default="")
    delegated_from = models.ForeignKey(
        "self",
        verbose_name=_("in place of"),
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="+",
        db_index=False,
    )
    # What was shared with those who are asked, until they are not any more.
    loans = models.ManyToManyField(AccessGrant, blank=True, editable=False, related_name="+")

    objects = ApprovalStepQuerySet.as_manager()
    access = Rule(via=("approval",))

    class Meta(Asked.Meta):
        verbose_name = _("step of an approval")
        verbose_name_plural = _("steps of approvals")
        constraints = [
            *Asked.Meta.constraints,
            models.CheckConstraint(
                condition=models.Q(
                    state__in=["APPROVED", "REJECTED", "DELEGATED"],
                    decided_at__isnull=False,
                    decided_by__isnull=False,
                )
                | models.Q(state__in=["WAITING", "ASKED", "DROPPED"], decided_at=None, decided_by=None),
                name="approval_step_decided_by_somebody",
            ),
        ]
        indexes = [
            models.Index(
                fields=["due_at"],
                condition=models.Q(state="ASKED", overdue_told_at=None),
                name="approval_step_due",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.place}. {self.asked_name}"


def planned(steps: Iterable[Any]) -> list[dict[str, Any]]:
    """Return whom steps ask, as new ones of another approval take it."""
    return [
        {name: getattr(step, name) for name in ("place", "assignee_id", "team_id", "role_id", "days")}
        for step in steps
    ]

"""The ways a deal can go."""

from django.core.validators import MaxValueValidator
from django.db import models
from django.db.models.functions import Upper
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from apps.accounts.scoping import Rule, ScopedQuerySet
from apps.common.models import Archivable, Stamped, Versioned


class Pipeline(Stamped, Versioned, Archivable):
    """A sequence of stages that a kind of deals goes through."""

    name = models.CharField(_("name"), max_length=100)
    is_default = models.BooleanField(_("default"), default=False)

    objects = ScopedQuerySet.as_manager()
    access = Rule(shared=True)

    class Meta:
        verbose_name = _("pipeline")
        verbose_name_plural = _("pipelines")
        constraints = [
            models.UniqueConstraint(
                fields=["is_default"],
                condition=models.Q(is_default=True),
                name="pipeline_one_default",
                violation_error_message=_("There is a default pipeline already."),
            ),
            models.UniqueConstraint(
                Upper("name"),
                condition=models.Q(archived_at=None),
                name="pipeline_name_unique",
                violation_error_message=_("There is a pipeline of this name already."),
            ),
        ]

    def __str__(self) -> str:
        return self.name


class Stage(models.Model):
    """One step of a pipeline."""

    class Kind(models.TextChoices):
        OPEN = "OPEN", pgettext_lazy("stage", "open")
        WON = "WON", pgettext_lazy("stage", "won")
        LOST = "LOST", pgettext_lazy("stage", "lost")

    pipeline = models.ForeignKey(
        Pipeline,
        verbose_name=_("pipeline"),
        on_delete=models.CASCADE,
        related_name="stages",
        db_index=False,
    )
    name = models.CharField(_("name"), max_length=100)
    kind = models.CharField(_("kind"), max_length=4, choices=Kind, default=Kind.OPEN)
    position = models.PositiveSmallIntegerField(_("position"))
    probability = models.PositiveSmallIntegerField(
        _("probability, %"), default=0, validators=[MaxValueValidator(100)]
    )
    stale_after_days = models.PositiveSmallIntegerField(_("stale after, days"), null=True, blank=True)
    # What has to be there before a deal leaves it: [{"key", "kind", "params"}], as `apps.crm.criteria` reads them.
    exit_criteria = models.JSONField(_("stage contract"), default=list, db_default=[], blank=True)
    # Counted on with each change of them, so that it can be said by which ones a deal was judged.
    criteria_version = models.PositiveIntegerField(default=0, db_default=0, editable=False)

    objects = ScopedQuerySet.as_manager()
    access = Rule(via=("pipeline",))

    class Meta:
        verbose_name = _("stage")
        verbose_name_plural = _("stages")
        constraints = [
            models.UniqueConstraint(
                fields=["pipeline", "position"],
                name="stage_position_unique",
                deferrable=models.Deferrable.DEFERRED,
            ),
            models.UniqueConstraint(
                "pipeline",
                Upper("name"),
                name="stage_name_unique",
                violation_error_message=_("The pipeline has a stage of this name already."),
            ),
            models.UniqueConstraint(
                fields=["pipeline"],
                condition=models.Q(kind="WON"),
                name="stage_one_won",
                violation_error_message=_("A pipeline has one won stage."),
            ),
            models.UniqueConstraint(
                fields=["pipeline"],
                condition=models.Q(kind="LOST"),
                name="stage_one_lost",
                violation_error_message=_("A pipeline has one lost stage."),
            ),
            # What the deal's composite foreign key points at.
            models.UniqueConstraint(fields=["pipeline", "id", "kind"], name="stage_pipeline_id_kind"),
            models.CheckConstraint(
                condition=models.Q(probability__lte=100),
                name="stage_probability_percent",
                violation_error_message=_("A probability is at most 100 %."),
            ),
        ]

    def __str__(self) -> str:
        return self.name


class LostReason(models.Model):
    """Why deals are lost, in the company's own words."""

    name = models.CharField(_("name"), max_length=100, unique=True)
    # Set for the reason under which imports file deals that were lost without saying why.
    is_unknown = models.BooleanField(default=False, editable=False)
    is_active = models.BooleanField(_("offered"), default=True)

    objects = ScopedQuerySet.as_manager()
    access = Rule(shared=True)

    class Meta:
        verbose_name = _("lost reason")
        verbose_name_plural = _("lost reasons")
        constraints = [
            models.UniqueConstraint(
                fields=["is_unknown"],
                condition=models.Q(is_unknown=True),
                name="lost_reason_one_unknown",
            ),
        ]

    def __str__(self) -> str:
        return self.name

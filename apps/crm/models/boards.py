"""What moves on a board, numbered for those who watch it."""

import uuid

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.utils import timezone

from apps.crm.models.pipelines import Pipeline


class Board(models.Model):
    """How far the changes on a pipeline's board are numbered."""

    pipeline = models.OneToOneField(Pipeline, on_delete=models.CASCADE, primary_key=True, related_name="+")
    epoch = models.UUIDField(default=uuid.uuid4)
    seq = models.BigIntegerField(default=0)

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"board:{self.pipeline_id}"


class BoardChange(models.Model):
    """
    Deals that one statement has touched, written by triggers (migration 0006), whoever wrote the deals.

    Without a number at first: a counter in the writers' transactions would make all of them wait for each other.
    Who reads the stream numbers what was committed, and many changes may become one then.
    """

    pipeline_id = models.BigIntegerField()
    seq = models.BigIntegerField(null=True)
    # None stands for more than are worth naming.
    deal_ids = ArrayField(models.BigIntegerField(), null=True)
    stage_ids = ArrayField(models.BigIntegerField())
    at = models.DateTimeField(default=timezone.now, db_default=models.functions.Now())

    class Meta:
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(fields=["pipeline_id", "seq"], name="board_change_number_unique"),
        ]
        indexes = [
            models.Index(fields=["pipeline_id"], condition=Q(seq=None), name="board_change_new"),
        ]

    def __str__(self) -> str:
        return f"board:{self.pipeline_id}/{self.seq or '·'}"

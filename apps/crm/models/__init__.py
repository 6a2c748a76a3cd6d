"""What the sales side holds: whom we know, what we promise them, and what was brought in from elsewhere."""

from apps.crm.models.boards import Board, BoardChange
from apps.crm.models.catalog import Product, Tag
from apps.crm.models.companies import Company, ContactPoint, Employment, Person
from apps.crm.models.deals import (
    Attention,
    Deal,
    DealLine,
    StageTransition,
    Step,
    amount_changes,
    stale_condition,
)
from apps.crm.models.imports import ImportBatch, ImportMapping, ImportReference, ImportRow
from apps.crm.models.pipelines import LostReason, Pipeline, Stage

__all__ = [
    "Attention",
    "Board",
    "BoardChange",
    "Company",
    "ContactPoint",
    "Deal",
    "DealLine",
    "Employment",
    "ImportBatch",
    "ImportMapping",
    "ImportReference",
    "ImportRow",
    "LostReason",
    "Person",
    "Pipeline",
    "Product",
    "Stage",
    "StageTransition",
    "Step",
    "Tag",
    "amount_changes",
    "stale_condition",
]

"""What the sales side holds: whom we know, what we promise them, and what was brought in from elsewhere."""

from apps.crm.models.activities import (
    ABOUT,
    Activity,
    ActivityAttachment,
    ActivityLink,
    ActivityMention,
    ActivityVersion,
    Timeline,
    TimelineChange,
)
from apps.crm.models.automation import AutomationRound, AutomationRule, AutomationRun
from apps.crm.models.boards import Board, BoardChange
from apps.crm.models.catalog import PriceBook, PriceBookEntry, Product, Tag
from apps.crm.models.companies import Company, ContactPoint, Employment, Person
from apps.crm.models.custom_fields import CustomField, Customised
from apps.crm.models.deals import (
    Attention,
    Deal,
    DealLine,
    StageTransition,
    Step,
    amount_changes,
    stale_condition,
)
from apps.crm.models.duplicates import Duplicated, DuplicateDismissal, DuplicatePair
from apps.crm.models.imports import ImportBatch, ImportMapping, ImportReference, ImportRow
from apps.crm.models.leads import (
    Absence,
    AssignmentRule,
    Consent,
    ConsentText,
    DisqualifyReason,
    Lead,
    LeadArrival,
    LeadForm,
    Purpose,
    Source,
)
from apps.crm.models.mail import Mail, UnmatchedMail
from apps.crm.models.participants import DealParticipant
from apps.crm.models.personal import Disclosure, Erasure
from apps.crm.models.pipelines import LostReason, Pipeline, Stage
from apps.crm.models.quotes import Quote, QuoteLine, StageApproval
from apps.crm.models.reports import CurrencyRate, ForecastSnapshot, FunnelCell, FunnelMark, SalesPlan

__all__ = [
    "ABOUT",
    "Absence",
    "Activity",
    "ActivityAttachment",
    "ActivityLink",
    "ActivityMention",
    "ActivityVersion",
    "AssignmentRule",
    "Attention",
    "AutomationRound",
    "AutomationRule",
    "AutomationRun",
    "Board",
    "BoardChange",
    "Company",
    "Consent",
    "ConsentText",
    "ContactPoint",
    "CurrencyRate",
    "CustomField",
    "Customised",
    "Deal",
    "DealLine",
    "DealParticipant",
    "Disclosure",
    "DisqualifyReason",
    "DuplicateDismissal",
    "DuplicatePair",
    "Duplicated",
    "Employment",
    "Erasure",
    "ForecastSnapshot",
    "FunnelCell",
    "FunnelMark",
    "ImportBatch",
    "ImportMapping",
    "ImportReference",
    "ImportRow",
    "Lead",
    "LeadArrival",
    "LeadForm",
    "LostReason",
    "Mail",
    "Person",
    "Pipeline",
    "PriceBook",
    "PriceBookEntry",
    "Product",
    "Purpose",
    "Quote",
    "QuoteLine",
    "SalesPlan",
    "Source",
    "Stage",
    "StageApproval",
    "StageTransition",
    "Step",
    "Tag",
    "Timeline",
    "TimelineChange",
    "UnmatchedMail",
    "amount_changes",
    "stale_condition",
]

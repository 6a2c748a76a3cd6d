"""
The roles that come with the platform.

Each lists patterns of permissions with a reach; the first that matches decides, and what matches none is not
granted. Permissions of apps that come later are offered to the roles when those apps are installed.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase

from django.utils.translation import gettext_noop

from apps.accounts.models import RoleGrant

OWN, TEAM, SUBTREE, ALL = (
    RoleGrant.Reach.OWN,
    RoleGrant.Reach.TEAM,
    RoleGrant.Reach.SUBTREE,
    RoleGrant.Reach.ALL,
)
Pattern = tuple[str, RoleGrant.Reach | None]


@dataclass(frozen=True)
class ReadyMade:
    """A role as it comes, before administrators make it theirs."""

    key: str
    name: str
    description: str
    patterns: tuple[Pattern, ...]


# Views of one's own, and those that a team shares.
_VIEWS: tuple[Pattern, ...] = (
    ("lists.export_savedview", None),
    ("lists.view_savedview", TEAM),
    ("lists.*_savedview", OWN),
)
# Everybody's own keys.
_KEYS: tuple[Pattern, ...] = (("accounts.export_apikey", None), ("accounts.*_apikey", OWN))
# What was shared with oneself.
_SHARED: tuple[Pattern, ...] = (("accounts.view_accessgrant", OWN),)
# What somebody has to do is theirs to see to, and to read in calendars of their own.
_TASKS: tuple[Pattern, ...] = (
    ("notifications.export_calendarfeed", None),
    ("notifications.*_calendarfeed", OWN),
    # Where one is reached, and what was sent there; what was given up is sent again by those who rule.
    ("notifications.export_channeladdress", None),
    ("notifications.*_channeladdress", OWN),
    ("notifications.view_delivery", OWN),
)
# What is the same for everybody who sells.
_CATALOG: tuple[Pattern, ...] = (
    ("crm.view_product", ALL),
    ("crm.export_product", ALL),
    ("crm.view_pricebook", ALL),
    ("crm.view_pipeline", ALL),
    ("crm.view_customfield", ALL),
    ("crm.view_lostreason", ALL),
    ("crm.view_tag", ALL),
    ("crm.view_currencyrate", ALL),
    ("crm.export_currencyrate", ALL),
    ("payments.view_exchangerate", ALL),
    ("payments.export_exchangerate", ALL),
    ("crm.view_source", ALL),
    ("crm.view_disqualifyreason", ALL),
)

# To tell or erase all that is kept about somebody is for those who answer for it.
_PEOPLE: tuple[Pattern, ...] = (
    ("crm.disclose_person", None),
    ("crm.erase_person", None),
    ("crm.*_disclosure", None),
    ("crm.*_erasure", None),
)

# What is the same for everybody who writes papers.
_PAPERS: tuple[Pattern, ...] = (
    ("documents.export_uploadsession", None),
    ("documents.delete_*", None),
    ("documents.hold_document", None),
    ("documents.view_documenttype", ALL),
    ("documents.export_documenttype", ALL),
    ("documents.view_approvalroute", ALL),
    ("documents.view_tag", ALL),
    ("documents.add_tag", ALL),
    # What somebody sends is their own business until it is a document.
    ("documents.*_uploadsession", OWN),
    ("documents.view_template", ALL),
    ("documents.export_template", ALL),
    ("documents.view_legalentity", ALL),
    ("documents.view_generation", OWN),
)


def _sales_money(reach: RoleGrant.Reach) -> tuple[Pattern, ...]:
    """Who sells asks for the money, and sees whether it came; the rest is for who keeps the books."""
    return (
        *((f"payments.{action}_invoice", reach) for action in ("view", "add", "change", "issue", "export")),
        ("payments.view_payment", reach),
        ("payments.export_payment", reach),
    )


READY_MADE = (
    ReadyMade(
        "administrator",
        gettext_noop("Administrator"),
        gettext_noop("Runs the platform: everything, everywhere."),
        (("*", ALL),),
    ),
    ReadyMade(
        "sales_lead",
        gettext_noop("Sales lead"),
        gettext_noop("Leads a team: its deals and customers, and those of the teams below it."),
        (
            *_PEOPLE,
            *_CATALOG,
            *_PAPERS,
            ("documents.*_document", SUBTREE),
            ("documents.*_approval", SUBTREE),
            ("documents.*_signaturerequest", SUBTREE),
            ("documents.*_folder", SUBTREE),
            ("documents.*_bundle", OWN),
            *_sales_money(SUBTREE),
            ("crm.*_salesplan", SUBTREE),
            ("crm.*_automationrule", SUBTREE),
            ("crm.export_absence", None),
            ("crm.*_absence", SUBTREE),
            ("crm.view_leadform", ALL),
            ("crm.view_assignmentrule", ALL),
            ("crm.delete_*", None),
            ("crm.*_lead", SUBTREE),
            ("crm.add_tag", ALL),
            ("crm.*_deal", SUBTREE),
            ("crm.*_company", SUBTREE),
            ("crm.*_person", SUBTREE),
            ("crm.view_unmatchedmail", ALL),
            ("crm.change_unmatchedmail", ALL),
            ("crm.*_importbatch", OWN),
            ("crm.*_importmapping", OWN),
            ("lists.*_bulkedit", OWN),
            ("lists.*_export", OWN),
            *_VIEWS,
            ("notifications.*_webhookendpoint", OWN),
            *_TASKS,
            ("notifications.*_task", SUBTREE),
            ("jobs.*_job", SUBTREE),
            ("history.*_changeset", SUBTREE),
            ("accounts.view_user", SUBTREE),
            ("accounts.view_team", SUBTREE),
            ("accounts.view_membership", SUBTREE),
            ("accounts.view_role", ALL),
            ("accounts.export_accessgrant", None),
            ("accounts.*_accessgrant", SUBTREE),
            *_KEYS,
        ),
    ),
    ReadyMade(
        "salesperson",
        gettext_noop("Salesperson"),
        gettext_noop("Sells: own deals, people and companies."),
        (
            *_PEOPLE,
            *_CATALOG,
            *_PAPERS,
            ("documents.assign_document", None),
            ("documents.*_document", OWN),
            ("documents.*_approval", OWN),
            ("documents.*_signaturerequest", OWN),
            ("documents.*_folder", OWN),
            ("documents.*_bundle", OWN),
            *_sales_money(OWN),
            ("crm.export_absence", None),
            ("crm.*_absence", OWN),
            ("crm.delete_*", None),
            ("crm.assign_lead", None),
            ("crm.*_lead", OWN),
            ("crm.assign_deal", None),
            ("crm.approve_deal", None),
            ("crm.*_deal", OWN),
            ("crm.view_salesplan", OWN),
            ("crm.*_company", OWN),
            ("crm.*_person", OWN),
            ("crm.*_importbatch", OWN),
            ("crm.*_importmapping", OWN),
            ("lists.*_bulkedit", OWN),
            ("lists.*_export", OWN),
            *_VIEWS,
            *_TASKS,
            ("notifications.assign_task", None),
            ("notifications.*_task", OWN),
            ("jobs.*_job", OWN),
            ("history.view_changeset", OWN),
            ("accounts.view_user", OWN),
            ("accounts.view_team", TEAM),
            ("accounts.view_membership", OWN),
            *_SHARED,
            *_KEYS,
        ),
    ),
    ReadyMade(
        "accountant",
        gettext_noop("Accountant"),
        gettext_noop(
            "Keeps the books: invoices, payments and the ledger; reads all customers and deals, and writes papers."
        ),
        (
            *_PEOPLE,
            ("crm.*_unmatchedmail", None),
            ("crm.view_*", ALL),
            ("crm.export_*", ALL),
            # Who keeps the books knows what a currency is worth.
            ("crm.*_currencyrate", ALL),
            ("payments.*", ALL),
            *_PAPERS,
            ("documents.assign_document", None),
            ("documents.*_legalentity", ALL),
            ("documents.*_document", ALL),
            ("documents.*_approval", ALL),
            ("documents.*_signaturerequest", ALL),
            ("documents.*_folder", ALL),
            ("documents.*_bundle", OWN),
            ("lists.*_export", OWN),
            *_VIEWS,
            *_TASKS,
            ("notifications.*_task", OWN),
            ("jobs.*_job", OWN),
            ("accounts.view_user", ALL),
            ("accounts.view_team", ALL),
            *_SHARED,
            *_KEYS,
        ),
    ),
    ReadyMade(
        "auditor",
        gettext_noop("Auditor"),
        gettext_noop("Reads everything, changes nothing."),
        (
            ("accounts.view_signingkey", None),
            ("*.view_*", ALL),
            ("*.export_*", None),
            ("lists.*_savedview", OWN),
        ),
    ),
)


def granted_by(role: ReadyMade, permissions: Iterable[str]) -> dict[str, str]:
    """Return the reach of each of `permissions` that a role grants."""
    granted = {name: _reach(role, name) for name in permissions}
    return {name: reach.value for name, reach in granted.items() if reach is not None}


def _reach(role: ReadyMade, permission: str) -> RoleGrant.Reach | None:
    return next((reach for pattern, reach in role.patterns if fnmatchcase(permission, pattern)), None)

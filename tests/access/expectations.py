"""
Who may do what, as it was decided, and not as it is computed: what the policy says is held against this table.

Each kind of rows lists its actions, and for each the roles that may. Salespeople reach their own rows and leads their
team's; the other roles reach all, but for what is in OWN_ONLY. Whatever is not in here fails the matrix until somebody
has decided it.
"""

SELLER, LEAD, ACCOUNTANT, AUDITOR, ADMINISTRATOR = (
    "salesperson",
    "sales_lead",
    "accountant",
    "auditor",
    "administrator",
)
RULERS = {ADMINISTRATOR}
SELLERS = {SELLER, LEAD, ADMINISTRATOR}
ALL = {SELLER, LEAD, ACCOUNTANT, AUDITOR, ADMINISTRATOR}

_CATALOG = {"view": ALL, "add": RULERS, "change": RULERS, "delete": RULERS}
_CUSTOMER = {"view": ALL, "add": SELLERS, "change": SELLERS, "archive": SELLERS, "delete": RULERS}

MAY: dict[str, dict[str, set[str]]] = {
    "accounts.User": {"view": ALL, "add": RULERS, "change": RULERS, "delete": RULERS},
    "accounts.Team": {"view": ALL, "add": RULERS, "change": RULERS, "delete": RULERS},
    "accounts.Role": {
        "view": {LEAD, AUDITOR, ADMINISTRATOR},
        "add": RULERS,
        "change": RULERS,
        "delete": RULERS,
    },
    "accounts.Membership": {
        "view": {SELLER, LEAD, AUDITOR, ADMINISTRATOR},
        "add": RULERS,
        "change": RULERS,
        "delete": RULERS,
    },
    # Whoever may do something may let a program do it for them; an auditor looks on.
    "accounts.ApiKey": {
        "view": ALL,
        "add": ALL - {AUDITOR},
        "change": ALL - {AUDITOR},
        # They are revoked, and stay on record.
        "delete": set(),
    },
    "jobs.Job": {
        "view": ALL,
        "cancel": SELLERS | {ACCOUNTANT},
        "retry": SELLERS | {ACCOUNTANT},
        # Jobs are started by what needs them, and expire.
        "add": set(),
        "change": set(),
        "delete": set(),
    },
    "history.ChangeSet": {
        "view": {SELLER, LEAD, AUDITOR, ADMINISTRATOR},
        "undo": {LEAD, ADMINISTRATOR},
        # The database records them, and they expire.
        "add": set(),
        "change": set(),
        "delete": set(),
    },
    "lists.Export": {
        "view": ALL,
        # Asked for where the rows are listed, and removed by whoever asked, or by time.
        "add": set(),
        "change": set(),
        "delete": set(),
    },
    # Everybody keeps views of their own; what a team shares, its members only see.
    "lists.SavedView": {"view": ALL, "add": ALL, "change": ALL, "delete": ALL},
    "crm.Product": _CATALOG,
    "crm.LostReason": _CATALOG,
    "crm.Pipeline": _CATALOG,
    "crm.Tag": _CATALOG | {"add": {LEAD, ADMINISTRATOR}},
    "crm.Company": _CUSTOMER,
    "crm.Person": _CUSTOMER,
    "crm.Deal": _CUSTOMER
    | {
        "move": SELLERS,
        "win": SELLERS,
        "lose": SELLERS,
        "reopen": SELLERS,
        "assign": {LEAD, ADMINISTRATOR},
    },
    "crm.ImportBatch": {
        "view": ALL,
        "add": SELLERS,
        "change": SELLERS,
        "delete": set(),
    },
    "lists.BulkEdit": {
        "view": {SELLER, LEAD, AUDITOR, ADMINISTRATOR},
        "add": SELLERS,
        "change": SELLERS,
        "delete": set(),
    },
    "crm.ImportMapping": {
        "view": ALL,
        "add": SELLERS,
        "change": SELLERS,
        "delete": SELLERS,
    },
}
# The parts of a whole follow it: seeing one is seeing the whole, anything else is changing the whole.
PART_OF = {
    "accounts.RoleGrant": "accounts.Role",
    "jobs.JobEvent": "jobs.Job",
    "history.Change": "history.ChangeSet",
    "history.Creation": "history.ChangeSet",
    "history.Undo": "history.ChangeSet",
    "history.Conflict": "history.ChangeSet",
    "crm.Employment": "crm.Person",
    "crm.ContactPoint": "crm.Person",
    "crm.Stage": "crm.Pipeline",
    "crm.DealLine": "crm.Deal",
    "crm.StageTransition": "crm.Deal",
    "crm.ImportRow": "crm.ImportBatch",
    "crm.ImportReference": "crm.ImportBatch",
    "lists.BulkRow": "lists.BulkEdit",
}
# What a role reaches only where it is one's own: an import is its uploader's, with all that stands in the file.
OWN_ONLY = {
    (ACCOUNTANT, "accounts.ApiKey"),
    (LEAD, "accounts.ApiKey"),
    (ACCOUNTANT, "jobs.Job"),
    (LEAD, "lists.SavedView"),
    (ACCOUNTANT, "lists.SavedView"),
    (LEAD, "crm.ImportBatch"),
    (LEAD, "crm.ImportMapping"),
    (LEAD, "lists.BulkEdit"),
    # What somebody takes away is theirs; who reads everything reads who took what.
    (LEAD, "lists.Export"),
    (ACCOUNTANT, "lists.Export"),
}
# What is history itself has no page of its own history.
WITHOUT_STORY = {"history.ChangeSet"}
# Addresses that belong to no kind of rows: whether one has to be logged in.
OTHERS = {
    # Leads to the admin, which asks.
    "": "public",
    "accounts/login/": "public",
    "accounts/logout/": "public",
    "accounts/inactive/": "public",
    "accounts/password/change/": "login",
    "accounts/password/set/": "login",
    "accounts/password/reset/": "public",
    "accounts/password/reset/done/": "public",
    "accounts/^password/reset/key/(?P<uidb36>[0-9A-Za-z]+)-(?P<key>.+)/$": "public",
    "accounts/password/reset/key/done/": "public",
    "i18n/setlang/": "public",
    "api/v1/schema/": "login",
    "api/v1/docs/": "login",
    "api/v1/me/": "login",
    "api/v1/ws-tickets/": "login",
    "api/v1/streams/<str:name>/": "login",
    "api/v1/history/rows/<str:label>/<str:row_id>/": "login",
    "^api/": "public",
}

# Addresses of the admin that belong to no kind of rows. Of home's sections, everybody opens those on their own page,
# with figures of the deals they see.
SITE_PAGES = {
    "home/<slug:section>/": "login",
}


def reaches_others(role: str, label: str) -> bool:
    """Tell whether what the role may do to such rows, it may do to those of others."""
    return (role, PART_OF.get(label, label)) not in OWN_ONLY


def may(role: str, label: str, action: str) -> bool:
    """Tell what was decided. :raises KeyError: nothing was"""
    if label in PART_OF:
        return may(role, PART_OF[label], "view" if action == "view" else "change")
    return role in MAY[label][action]

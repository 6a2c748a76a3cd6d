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

WRITERS = SELLERS | {ACCOUNTANT}
_PAPER = {"view": ALL, "add": WRITERS, "change": WRITERS, "archive": WRITERS, "delete": RULERS}

# Who keeps the books, and who reads them.
BOOKS = {ACCOUNTANT, ADMINISTRATOR}
READERS = BOOKS | {AUDITOR}

MAY: dict[str, dict[str, set[str]]] = {
    # Who sells asks for the money of their own deals; what takes an invoice back is for who keeps the books.
    "payments.Invoice": {
        "view": ALL,
        "add": WRITERS,
        "change": WRITERS,
        "issue": WRITERS,
        "void": BOOKS,
        "credit": BOOKS,
        "writeoff": BOOKS,
        # Drafts are thrown away by whoever changes them.
        "delete": set(),
    },
    "payments.Payment": {
        "view": ALL,
        **dict.fromkeys(["add", "change", "allocate", "refund", "cancel"], BOOKS),
        "export": WRITERS,
        # Money that moved is given back, and stays on record.
        "delete": set(),
    },
    "payments.LedgerAccount": {"view": READERS, "add": BOOKS, "change": BOOKS, "delete": set()},
    # Entries are only added, and taken back by others.
    "payments.JournalEntry": {
        "view": READERS,
        "add": BOOKS,
        "reverse": BOOKS,
        "change": set(),
        "delete": set(),
    },
    "payments.PeriodLock": {"view": READERS, "add": BOOKS, "change": set(), "delete": set()},
    "payments.ExchangeRate": {"view": ALL, "add": BOOKS, "change": set(), "delete": set()},
    "payments.BankAccount": {
        "view": READERS,
        "add": BOOKS,
        "change": BOOKS,
        "archive": BOOKS,
        "delete": set(),
    },
    "payments.ProviderAccount": {
        "view": READERS,
        "add": BOOKS,
        "change": BOOKS,
        "archive": BOOKS,
        "delete": set(),
    },
    "payments.StatementFile": {"view": READERS, "add": BOOKS, "change": BOOKS, "delete": set()},
    "payments.BankLine": {"view": READERS, "add": set(), "change": BOOKS, "delete": set()},
    "accounts.User": {
        "view": ALL,
        "add": RULERS,
        "change": RULERS,
        "delete": RULERS,
        "impersonate": RULERS,
    },
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
    "accounts.Invitation": {
        "view": {AUDITOR, ADMINISTRATOR},
        "add": RULERS,
        "change": RULERS,
        # They are revoked, and stay on record.
        "delete": set(),
    },
    # Whoever may do something may let a program do it for them; an auditor looks on.
    "accounts.ApiKey": {
        "view": ALL,
        "add": ALL - {AUDITOR},
        "change": ALL - {AUDITOR},
        # They are revoked, and stay on record.
        "delete": set(),
    },
    # What comes in and is refused is for those who rule and those who look on; nobody writes the record by hand.
    "accounts.AuthEvent": {
        "view": {AUDITOR, ADMINISTRATOR},
        "add": set(),
        "change": set(),
        "delete": set(),
    },
    # Made, used and retired by the platform itself; nobody adds or removes one.
    "accounts.SigningKey": {"view": RULERS, "change": RULERS, "add": set(), "delete": set()},
    # They say what strangers' programs may do in everybody's name.
    "accounts.Application": {
        "view": {AUDITOR, ADMINISTRATOR},
        "add": RULERS,
        "change": RULERS,
        # They are turned off, and stay on record.
        "delete": set(),
    },
    # Given on the page that asks, and taken back on one's own; administrators and auditors look on.
    "accounts.ConsentGrant": {
        "view": {AUDITOR, ADMINISTRATOR},
        "add": set(),
        "change": set(),
        "delete": set(),
    },
    # Who leads people shares rows with them; everybody knows what is shared with them.
    "accounts.AccessGrant": {
        "view": ALL,
        "add": {LEAD, ADMINISTRATOR},
        "change": {LEAD, ADMINISTRATOR},
        # They are taken back, and stay on record.
        "delete": set(),
    },
    "accounts.ImpersonationSession": {
        "view": {AUDITOR, ADMINISTRATOR},
        "add": set(),
        "change": set(),
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
    "documents.Document": _PAPER
    | {"hold": RULERS, "void": WRITERS, "share": WRITERS, "assign": {LEAD, ADMINISTRATOR}},
    "documents.Folder": _PAPER,
    # Taken away by whoever may take documents away; the record stays.
    "documents.Bundle": {"view": ALL, "add": WRITERS, "change": WRITERS, "delete": set()},
    # What somebody sends is theirs alone; an auditor looks on.
    "documents.UploadSession": {"view": ALL, "add": WRITERS, "change": WRITERS, "delete": RULERS},
    # The platform writes down what it finds.
    "documents.IntegrityRun": {
        "view": {AUDITOR, ADMINISTRATOR},
        "mend": RULERS,
        "add": set(),
        "change": set(),
        "delete": set(),
    },
    "documents.DocumentType": _CATALOG | {"archive": RULERS},
    "documents.Tag": _CATALOG | {"add": WRITERS},
    # Decided only by who is asked, whom it is shared with while they are.
    "documents.Approval": {
        "view": ALL,
        "add": WRITERS,
        "change": WRITERS,
        "decide": WRITERS,
        "delete": RULERS,
    },
    "documents.ApprovalRoute": _CATALOG | {"archive": RULERS},
    # Lets people without an account at a document.
    "documents.SignatureRequest": {
        "view": ALL,
        "add": WRITERS,
        "change": WRITERS,
        # They are cancelled, and stay on record.
        "delete": set(),
    },
    # Templates say what everybody's papers look like, and run on our machines.
    "documents.Template": _CATALOG | {"archive": RULERS, "publish": RULERS},
    "documents.LegalEntity": {
        "view": ALL,
        "add": RULERS | {ACCOUNTANT},
        "change": RULERS | {ACCOUNTANT},
        "archive": RULERS | {ACCOUNTANT},
        "delete": RULERS,
    },
    # Asked for on a page of their own, and made by a job.
    "documents.Generation": {"view": ALL, "add": set(), "change": set(), "delete": set()},
    # What is kept in step with whom is for those who rule, and those who look on. Nothing of it is deleted.
    "documents.DriveAccount": {
        "view": {AUDITOR, ADMINISTRATOR},
        "add": RULERS,
        "change": RULERS,
        "delete": set(),
    },
    "documents.DriveRoot": {
        "view": {AUDITOR, ADMINISTRATOR},
        "add": RULERS,
        "change": RULERS,
        "sync": RULERS,
        "delete": set(),
    },
    # Opened and closed by the platform itself.
    "documents.WatchChannel": {
        "view": {AUDITOR, ADMINISTRATOR},
        "add": set(),
        "change": set(),
        "delete": set(),
    },
    # Forms say what strangers may send us, and rules who gets it; whoever leads may know both.
    "crm.LeadForm": _CATALOG | {"view": ALL - {SELLER}},
    "crm.AssignmentRule": _CATALOG | {"view": ALL - {SELLER}},
    # They act with the rights of whoever leads people or rules; accountants and auditors look on.
    "crm.AutomationRule": {
        "view": ALL - {SELLER},
        "add": {LEAD, ADMINISTRATOR},
        "change": {LEAD, ADMINISTRATOR},
        "delete": {LEAD, ADMINISTRATOR},
    },
    "crm.Source": _CATALOG,
    "crm.DisqualifyReason": _CATALOG,
    # Everybody says of themselves that they are away, and who leads of their people.
    "crm.Absence": {"view": ALL, "add": SELLERS, "change": SELLERS, "delete": SELLERS},
    "crm.Lead": _CUSTOMER | {"qualify": SELLERS, "disqualify": SELLERS, "assign": {LEAD, ADMINISTRATOR}},
    # They carry what happens here out of the house: for those who rule, and for what who leads people may take away.
    "notifications.WebhookEndpoint": {
        "view": {LEAD, AUDITOR, ADMINISTRATOR},
        "add": {LEAD, ADMINISTRATOR},
        "change": {LEAD, ADMINISTRATOR},
        # They are paused, and stay on record.
        "delete": set(),
    },
    # Everybody who works has something to do; who leads sees to what their people do. Tasks go to the trash.
    "notifications.Task": {
        "view": ALL,
        "add": WRITERS,
        "change": WRITERS,
        "archive": WRITERS,
        "assign": WRITERS - {SELLER},
        "delete": set(),
    },
    # Who was told of what, and who was not, is for those who rule and those who look on.
    "notifications.Verdict": {
        "view": {AUDITOR, ADMINISTRATOR},
        "add": set(),
        "change": set(),
        "delete": set(),
    },
    # For a calendar of one's own; they are taken back, and stay on record.
    "notifications.CalendarFeed": {"view": ALL, "add": WRITERS, "change": WRITERS, "delete": set()},
    # Where one is reached is one's own business; addresses are turned off, and stay on record.
    "notifications.ChannelAddress": {"view": ALL, "add": WRITERS, "change": WRITERS, "delete": set()},
    # Everybody reads what was sent to them; what was given up is sent again by those who rule.
    "notifications.Delivery": {"view": ALL, "add": set(), "change": RULERS, "delete": set()},
    # Words in the name of the house.
    "notifications.MessageTemplate": {
        "view": {AUDITOR, ADMINISTRATOR},
        "add": RULERS,
        "change": RULERS,
        "delete": RULERS,
    },
    "crm.Product": _CATALOG,
    "crm.LostReason": _CATALOG,
    "crm.Pipeline": _CATALOG,
    "crm.CustomField": _CATALOG,
    # Who keeps the books says what a currency is worth; everybody who sells reads it.
    "crm.CurrencyRate": {
        "view": ALL,
        "add": RULERS | {ACCOUNTANT},
        "change": RULERS | {ACCOUNTANT},
        "delete": RULERS | {ACCOUNTANT},
    },
    # Leads plan for their people, who see what is planned for them.
    "crm.SalesPlan": {
        "view": ALL,
        "add": {LEAD, ADMINISTRATOR},
        "change": {LEAD, ADMINISTRATOR},
        "delete": {LEAD, ADMINISTRATOR},
    },
    "crm.PriceBook": _CATALOG,
    "crm.Tag": _CATALOG | {"add": {LEAD, ADMINISTRATOR}},
    "crm.Company": _CUSTOMER | {"merge": SELLERS},
    # What is kept about somebody as a whole, or is to be forgotten, is for those who answer for it.
    "crm.Person": _CUSTOMER | {"merge": SELLERS, "disclose": RULERS, "erase": RULERS},
    "crm.Disclosure": {"view": {AUDITOR, ADMINISTRATOR}, "add": set(), "change": set(), "delete": set()},
    "crm.Erasure": {
        "view": {AUDITOR, ADMINISTRATOR},
        "apply": RULERS,
        "add": set(),
        "change": set(),
        "delete": set(),
    },
    "crm.Deal": _CUSTOMER
    | {
        "move": SELLERS,
        "win": SELLERS,
        "lose": SELLERS,
        "reopen": SELLERS,
        "assign": {LEAD, ADMINISTRATOR},
        "approve": {LEAD, ADMINISTRATOR},
    },
    # Strangers' letters of which nobody knows as yet whose they are.
    "crm.UnmatchedMail": {
        "view": {LEAD, AUDITOR, ADMINISTRATOR},
        "add": set(),
        "change": {LEAD, ADMINISTRATOR},
        "delete": set(),
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
    "payments.InvoiceLine": "payments.Invoice",
    "payments.CreditNote": "payments.Invoice",
    "payments.CreditNoteLine": "payments.Invoice",
    "payments.Allocation": "payments.Payment",
    "payments.Refund": "payments.Payment",
    "payments.Posting": "payments.JournalEntry",
    "payments.PaymentLink": "payments.Invoice",
    "payments.RecurringInvoice": "payments.Invoice",
    "payments.RecurringIssue": "payments.Invoice",
    "payments.InvoiceLetter": "payments.Invoice",
    "payments.PaymentAttempt": "payments.Payment",
    "payments.Dispute": "payments.Payment",
    "payments.FiscalReceipt": "payments.Payment",
    "payments.WebhookMessage": "payments.ProviderAccount",
    "payments.BankStatement": "payments.StatementFile",
    "payments.BankMatch": "payments.BankLine",
    "payments.AccountBalance": "payments.LedgerAccount",
    "accounts.RoleGrant": "accounts.Role",
    "jobs.JobEvent": "jobs.Job",
    "history.Change": "history.ChangeSet",
    "history.Creation": "history.ChangeSet",
    "history.Undo": "history.ChangeSet",
    "history.Conflict": "history.ChangeSet",
    "documents.DocumentVersion": "documents.Document",
    "documents.DocumentLink": "documents.Document",
    "documents.ShareLink": "documents.Document",
    "documents.ShareVisit": "documents.Document",
    "documents.ApprovalRouteStep": "documents.ApprovalRoute",
    "documents.ApprovalStep": "documents.Approval",
    "documents.SignatureEvent": "documents.SignatureRequest",
    "documents.SignatureRecipient": "documents.SignatureRequest",
    "documents.IntegrityFinding": "documents.IntegrityRun",
    "documents.TemplateVersion": "documents.Template",
    "documents.DriveBinding": "documents.Document",
    "documents.DriveConflict": "documents.Document",
    "crm.AutomationRun": "crm.AutomationRule",
    "crm.AutomationRound": "crm.AutomationRule",
    "crm.Consent": "crm.Person",
    "crm.ConsentText": "crm.LeadForm",
    "crm.LeadArrival": "crm.Lead",
    "crm.Employment": "crm.Person",
    "crm.ContactPoint": "crm.Person",
    "crm.Stage": "crm.Pipeline",
    "crm.DealLine": "crm.Deal",
    "crm.StageTransition": "crm.Deal",
    "crm.Activity": "crm.Deal",
    "crm.ActivityLink": "crm.Deal",
    "crm.DealParticipant": "crm.Deal",
    "crm.StageApproval": "crm.Deal",
    "crm.Quote": "crm.Deal",
    "crm.QuoteLine": "crm.Deal",
    "crm.PriceBookEntry": "crm.PriceBook",
    "crm.ImportRow": "crm.ImportBatch",
    "crm.ImportReference": "crm.ImportBatch",
    "lists.BulkRow": "lists.BulkEdit",
    "notifications.WebhookDelivery": "notifications.WebhookEndpoint",
    "notifications.Reminder": "notifications.Task",
}
# What is done to a part and is the same action on the whole.
PASSES = {
    "crm.StageApproval": {"approve"},
    "payments.CreditNote": {"credit"},
    "payments.Allocation": {"allocate"},
    "payments.Refund": {"refund"},
    "payments.RecurringInvoice": {"issue"},
    "payments.RecurringIssue": {"issue"},
}
# What a role reaches only where it is one's own: an import is its uploader's, with all that stands in the file.
OWN_ONLY = {
    (ACCOUNTANT, "accounts.ApiKey"),
    (LEAD, "accounts.ApiKey"),
    (LEAD, "notifications.WebhookEndpoint"),
    (ACCOUNTANT, "notifications.Task"),
    (LEAD, "notifications.CalendarFeed"),
    (ACCOUNTANT, "notifications.CalendarFeed"),
    (LEAD, "notifications.ChannelAddress"),
    (ACCOUNTANT, "notifications.ChannelAddress"),
    (LEAD, "notifications.Delivery"),
    (ACCOUNTANT, "notifications.Delivery"),
    (ACCOUNTANT, "accounts.AccessGrant"),
    (ACCOUNTANT, "jobs.Job"),
    (ACCOUNTANT, "lists.SavedView"),
    (LEAD, "documents.UploadSession"),
    (ACCOUNTANT, "documents.UploadSession"),
    (LEAD, "crm.ImportBatch"),
    (LEAD, "crm.ImportMapping"),
    (LEAD, "lists.BulkEdit"),
    (LEAD, "documents.Bundle"),
    (ACCOUNTANT, "documents.Bundle"),
    # What somebody takes away is theirs; who reads everything reads who took what.
    (LEAD, "documents.Generation"),
    (ACCOUNTANT, "documents.Generation"),
    (LEAD, "lists.Export"),
    (ACCOUNTANT, "lists.Export"),
}
# What a role sees of others, and changes only where it is its own: a view that somebody shares with their team.
LOOKED_AT = {(LEAD, "lists.SavedView"), (AUDITOR, "lists.SavedView")}
# What nobody does for another, whatever they reach: its answer tells a secret.
OWNERS_ALONE = {"api/v1/notifications/^webhooks/(?P<pk>[^/.]+)/rotate/$"}
# What the guest in A may do, besides what a salesperson of neither side may: one row of A's of each kind is shared with
# them, to be seen, and the deal to be won as well.
SHARED = {
    "accounts.User": {"view"},
    "accounts.Team": {"view"},
    "accounts.Membership": {"view"},
    "jobs.Job": {"view"},
    "history.ChangeSet": {"view"},
    "lists.Export": {"view"},
    "lists.SavedView": {"view"},
    "lists.BulkEdit": {"view"},
    "documents.Document": {"view"},
    "documents.Folder": {"view"},
    "documents.Bundle": {"view"},
    "documents.Approval": {"view", "decide"},
    "documents.SignatureRequest": {"view"},
    "documents.Generation": {"view"},
    "crm.Company": {"view"},
    "crm.Person": {"view"},
    "crm.Deal": {"view", "win"},
    "crm.Lead": {"view"},
    "crm.Absence": {"view"},
    "crm.ImportBatch": {"view"},
    "crm.ImportMapping": {"view"},
    "crm.SalesPlan": {"view"},
    "payments.Invoice": {"view"},
    "payments.Payment": {"view"},
    "notifications.Task": {"view"},
}
# What is history itself has no page of its own history.
WITHOUT_STORY = {"history.ChangeSet"}
# Addresses that belong to no kind of rows: whether one has to be logged in.
OTHERS = {
    # Leads to the admin, which asks.
    "": "public",
    "accounts/login/": "public",
    "accounts/login/code/": "public",
    # These lead back to the login page of who has not begun to log in.
    "accounts/login/code/confirm/": "login",
    "accounts/login/passkey/": "login",
    "accounts/login/second-factor/": "login",
    "accounts/confirm-email/": "login",
    "accounts/impersonation/stop/": "login",
    "accounts/logout/": "public",
    "accounts/inactive/": "public",
    "accounts/reauthenticate/": "login",
    "accounts/applications/": "login",
    "accounts/password/change/": "login",
    "accounts/password/set/": "login",
    "accounts/password/reset/": "public",
    # Whoever has asked for no code is led back to the login.
    "accounts/password/reset/confirm/": "login",
    "accounts/password/reset/complete/": "public",
    "accounts/password/reset/done/": "public",
    "accounts/signup/": "public",
    # Whoever holds the link.
    "accounts/invitation/<str:token>/": "public",
    "accounts/waiting/": "login",
    "accounts/mailbox/": "login",
    "accounts/security/": "login",
    "accounts/security/sessions/<int:pk>/end/": "login",
    "accounts/security/sessions/end-others/": "login",
    "accounts/security/email/": "login",
    "accounts/security/second-factor/": "login",
    "accounts/security/app/add/": "login",
    "accounts/security/app/remove/": "login",
    "accounts/security/codes/": "login",
    "accounts/security/codes/new/": "login",
    "accounts/security/passkeys/add/": "login",
    "accounts/security/passkeys/<int:pk>/rename/": "login",
    "accounts/security/passkeys/<int:pk>/remove/": "login",
    "i18n/setlang/": "public",
    # Each asks the policy for the version.
    "documents/versions/<int:version_id>/content/": "login",
    "documents/versions/<int:version_id>/preview/": "login",
    "documents/versions/<int:version_id>/thumbnail/": "login",
    "documents/versions/<int:version_id>/pages/<int:number>/": "login",
    # Whoever holds the link.
    # Whoever holds the address of a form on a site.
    "api/v1/crm/forms/<str:token>/": "public",
    # Google, with the token of its channel.
    "api/v1/documents/drive/webhook/": "public",
    # A mail server posts letters here, and signs them.
    "api/v1/crm/mail/inbound/": "public",
    "s/<str:token>/": "public",
    "s/<str:token>/pages/<int:number>/": "public",
    # Whoever holds the link that they were sent to accept a document.
    "sign/<str:token>/": "public",
    "sign/<str:token>/content/": "public",
    "sign/<str:token>/pages/<int:number>/": "public",
    "sign/<str:token>/evidence/": "public",
    # Whoever holds the secret address, which its owner takes back.
    "calendars/<str:secret>.ics": "public",
    # Providers, whose word is verified, or asked about.
    "api/v1/payments/webhooks/<str:key>/": "public",
    # Whoever holds the link to pay an invoice by.
    "pay/<str:token>/": "public",
    "pay/<str:token>/paper/": "public",
    "pay/back/<str:signed>/": "public",
    "pay/demo/<str:name>/": "public",
    # Whoever holds a message to them, without a session.
    "messages/do/<str:secret>/": "public",
    "messages/stop/<str:said>/": "public",
    # Whoever holds the link to a quote.
    "q/<str:token>/": "public",
    "q/<str:token>/paper/": "public",
    # Logging in over REST; what is one's own asks who is there.
    **{
        f"_allauth/{client}/v1/{path}": who
        for client in ("browser", "app")
        for path, who in {
            "config": "public",
            "auth/session": "login",
            "auth/reauthenticate": "login",
            "auth/code/confirm": "public",
            "auth/password/request": "public",
            "auth/password/reset": "public",
            "auth/login": "public",
            "auth/signup": "public",
            "auth/email/verify": "public",
            "auth/email/verify/resend": "public",
            "auth/code/request": "public",
            "auth/code/resend": "public",
            "account/password/change": "login",
            "account/email": "login",
            "account/authenticators": "login",
            "account/authenticators/totp": "login",
            "account/authenticators/recovery-codes": "login",
            "account/authenticators/webauthn": "login",
            "auth/2fa/authenticate": "login",
            "auth/2fa/reauthenticate": "login",
            "auth/webauthn/authenticate": "login",
            "auth/webauthn/reauthenticate": "login",
            # A challenge for whoever has a passkey.
            "auth/webauthn/login": "public",
            "auth/sessions": "login",
        }.items()
    },
    "api/v1/schema/": "login",
    "api/v1/docs/": "login",
    # The types of facts, the same for everybody.
    "api/v1/notifications/^webhooks/event-types/$": "login",
    "api/v1/notifications/^webhooks/event-types/(?P<pk>[a-z0-9_.]+)/$": "login",
    # One's own inbox.
    "api/v1/notifications/^inbox/$": "login",
    "api/v1/notifications/^inbox/mark/$": "login",
    "api/v1/notifications/^inbox/mark-all/$": "login",
    "api/v1/notifications/^inbox/unread/$": "login",
    "api/v1/notifications/^preferences/$": "login",
    "api/v1/notifications/^quiet-hours/$": "login",
    "api/v1/notifications/^mutes/$": "login",
    "api/v1/notifications/^mutes/(?P<pk>[0-9]{1,18})/$": "login",
    "api/v1/me/": "login",
    "api/v1/me/policy/": "login",
    "api/v1/me/auth-events/": "login",
    "api/v1/me/^api-keys/$": "login",
    "api/v1/me/^api-keys/(?P<pk>[^/.]+)/$": "login",
    "api/v1/me/^api-keys/(?P<pk>[^/.]+)/rotate/$": "login",
    "api/v1/me/^api-keys/(?P<pk>[^/.]+)/revoke/$": "login",
    "api/v1/me/consents/": "login",
    "api/v1/me/sessions/": "login",
    "api/v1/me/sessions/<int:pk>/": "login",
    "api/v1/me/consents/<int:pk>/": "login",
    "api/v1/ws-tickets/": "login",
    "api/v1/streams/<str:name>/": "login",
    "api/v1/history/rows/<str:label>/<str:row_id>/": "login",
    "^api/": "public",
    # Says itself who has to log in, and that where it is not clear who asks.
    "o/authorize/": "public",
    "o/logout/": "public",
    "o/device/": "login",
    # Programs, who show who they are in the request: userinfo by a token, the others by a secret.
    "o/token/": "public",
    "o/revoke_token/": "public",
    "o/introspect/": "public",
    "o/device-authorization/": "public",
    "o/userinfo/": "login",
    ".well-known/openid-configuration": "public",
    ".well-known/oauth-authorization-server": "public",
    ".well-known/jwks.json": "public",
}

# Addresses of the admin that belong to no kind of rows. Of home's sections, everybody opens those on their own page,
# with figures of the deals they see.
SITE_PAGES = {
    "home/<slug:section>/": "login",
    # Each kind asks whether one may make such a row.
    "quick/<slug:kind>/": "login",
    # Everybody's own inbox.
    "inbox/": "login",
    "inbox/<int:pk>/": "login",
    "inbox/mark/": "login",
    "inbox/mark-all/": "login",
    "inbox/preferences/": "login",
    "inbox/mute/": "login",
    "inbox/unmute/": "login",
}


def reaches_others(role: str, label: str, action: str) -> bool:
    """Tell whether what the role may do to such rows, it may do to those of others."""
    whole = (role, PART_OF.get(label, label))
    return action == "view" if whole in LOOKED_AT else whole not in OWN_ONLY


def asked_of_whole(label: str, action: str) -> tuple[str, str]:
    """Return which whole is asked, and for what, when something is done to a row."""
    if label not in PART_OF:
        return label, action
    return PART_OF[label], action if action in {"view", *PASSES.get(label, ())} else "change"


def may(role: str, label: str, action: str) -> bool:
    """Tell what was decided. :raises KeyError: nothing was"""
    if label in PART_OF:
        return may(role, *asked_of_whole(label, action))
    return role in MAY[label][action]


def is_shared(label: str, action: str) -> bool:
    """Tell whether somebody with whom a row is shared may do something to it."""
    whole, asked = asked_of_whole(label, action)
    return asked in SHARED.get(whole, set())

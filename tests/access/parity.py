"""Where REST has what pages offer; and what pages alone offer, and why."""

# {(kind of rows, what its pages call it): (kind of rows, what REST calls it)}; "*" stands for every kind.
ELSEWHERE: dict[tuple[str, str], tuple[str, str]] = {
    ("*", "share"): ("accounts.AccessGrant", "create"),
    ("*", "who_sees"): ("accounts.User", "explain"),
    ("accounts.AccessGrant", "change"): ("accounts.AccessGrant", "extend"),
    ("accounts.ApiKey", "change"): ("accounts.ApiKey", "rotate"),
    ("accounts.Application", "turn_on"): ("accounts.Application", "enable"),
    ("accounts.Application", "turn_off"): ("accounts.Application", "disable"),
    ("accounts.Invitation", "change"): ("accounts.Invitation", "resend"),
    ("accounts.Role", "compare"): ("accounts.Role", "list"),
    ("accounts.Role", "holders"): ("accounts.Membership", "list"),
    ("accounts.Role", "who_may_what"): ("accounts.Role", "list"),
    ("accounts.Team", "archive"): ("accounts.Team", "destroy"),
    ("accounts.User", "events"): ("accounts.AuthEvent", "list"),
    ("accounts.User", "reset_factors"): ("accounts.User", "reset_second_factors"),
    ("accounts.User", "turn_on"): ("accounts.User", "activate"),
    ("accounts.User", "turn_off"): ("accounts.User", "deactivate"),
    ("accounts.User", "why"): ("accounts.User", "explain"),
    # The parts of a rule and of a stage's contract are one document each over REST.
    **{
        ("crm.AutomationRule", name): ("crm.AutomationRule", "partial_update")
        for name in ("ask", "ask_for", "ask_no_more", "do", "do_no_more")
    },
    ("crm.AutomationRule", "try"): ("crm.AutomationRule", "dry_run"),
    ("crm.Pipeline", "ask_for"): ("crm.Stage", "partial_update"),
    ("crm.Pipeline", "ask_no_more"): ("crm.Stage", "partial_update"),
    ("crm.Deal", "approve"): ("crm.StageApproval", "approve"),
    ("crm.Deal", "ask_approval"): ("crm.StageApproval", "create"),
    ("crm.Deal", "refuse"): ("crm.StageApproval", "refuse"),
    ("crm.Deal", "board_cards"): ("crm.Deal", "list"),
    ("crm.Deal", "board_page"): ("crm.Deal", "list"),
    ("crm.Deal", "board_do"): ("crm.Deal", "move"),
    ("crm.Deal", "board_views"): ("lists.SavedView", "create"),
    **{
        (kind, "views"): ("lists.SavedView", "create")
        for kind in ("crm.Deal", "crm.Company", "crm.Person", "crm.Lead")
    },
    ("crm.Deal", "board_start"): ("crm.Deal", "create"),
    ("crm.Deal", "lines"): ("crm.Deal", "set_lines"),
    ("crm.Deal", "lines_preview"): ("crm.Deal", "preview_lines"),
    ("crm.Deal", "lines_products"): ("crm.Product", "list"),
    ("crm.Deal", "take_part"): ("crm.DealParticipant", "create"),
    ("crm.Deal", "turn_to"): ("crm.DealParticipant", "partial_update"),
    ("crm.Deal", "part_with"): ("crm.DealParticipant", "destroy"),
    ("crm.Deal", "quote"): ("crm.Quote", "create"),
    **{
        (kind, "timeline_deed"): ("crm.Activity", "create")
        for kind in ("crm.Deal", "crm.Company", "crm.Person")
    },
    **{(kind, "dismiss"): (kind, "dismiss_duplicate") for kind in ("crm.Company", "crm.Person")},
    **{(kind, "duplicates_search"): (kind, "possible_duplicates") for kind in ("crm.Company", "crm.Person")},
    ("crm.Person", "give_consent"): ("crm.Consent", "create"),
    ("crm.Person", "withdraw_consent"): ("crm.Consent", "withdraw"),
    ("crm.Disclosure", "remove"): ("crm.Disclosure", "destroy"),
    ("crm.ImportBatch", "accept"): ("crm.ImportBatch", "accept_suggestions"),
    ("crm.ImportBatch", "columns"): ("crm.ImportBatch", "partial_update"),
    ("crm.ImportBatch", "correct"): ("crm.ImportBatch", "replace_value"),
    ("crm.ImportBatch", "discard"): ("crm.ImportBatch", "destroy"),
    ("crm.ImportBatch", "errors"): ("crm.ImportBatch", "error_file"),
    ("crm.ImportBatch", "replace"): ("crm.ImportBatch", "replace_value"),
    ("crm.ImportBatch", "unreplace"): ("crm.ImportBatch", "partial_update"),
    ("crm.ImportBatch", "state"): ("crm.ImportBatch", "retrieve"),
    ("crm.LeadForm", "renew"): ("crm.LeadForm", "renew_address"),
    ("crm.Quote", "discard"): ("crm.Quote", "destroy"),
    ("crm.Quote", "link"): ("crm.Quote", "new_link"),
    ("documents.Approval", "waiting"): ("documents.Approval", "list"),
    ("documents.Bundle", "remove"): ("documents.Bundle", "destroy"),
    ("documents.Document", "cancel_approval"): ("documents.Approval", "cancel"),
    ("documents.Document", "send_for_approval"): ("documents.Approval", "create"),
    ("documents.Document", "send_for_signature"): ("documents.SignatureRequest", "create"),
    ("documents.Document", "unlink"): ("documents.DocumentLink", "destroy"),
    ("documents.DriveConflict", "keep_ours"): ("documents.DriveConflict", "resolve"),
    ("documents.DriveConflict", "keep_theirs"): ("documents.DriveConflict", "resolve"),
    ("documents.Folder", "archive_all"): ("documents.Folder", "archive"),
    ("documents.Folder", "browse"): ("documents.Folder", "list"),
    ("documents.Folder", "browse_in"): ("documents.Document", "list"),
    ("documents.Folder", "move"): ("documents.Document", "partial_update"),
    ("documents.ShareLink", "new"): ("documents.ShareLink", "create"),
    ("documents.Template", "documents_generate"): ("documents.Generation", "create"),
    ("documents.Template", "documents_generate_preview"): ("documents.Template", "preview"),
    ("documents.Template", "version"): ("documents.Template", "add_version"),
    ("history.ChangeSet", "history_undo"): ("history.ChangeSet", "undo"),
    ("history.ChangeSet", "history_undo_start"): ("history.ChangeSet", "undo"),
    ("lists.BulkEdit", "discard"): ("lists.BulkEdit", "destroy"),
    ("lists.BulkEdit", "rehearse"): ("lists.BulkEdit", "create"),
    ("lists.BulkEdit", "state"): ("lists.BulkEdit", "retrieve"),
    ("lists.Export", "new"): ("lists.Export", "create"),
    ("lists.Export", "remove"): ("lists.Export", "destroy"),
    ("payments.Invoice", "discard"): ("payments.Invoice", "destroy"),
    ("payments.Invoice", "of_deal"): ("payments.Invoice", "create"),
    ("payments.Invoice", "record_payment"): ("payments.Payment", "create"),
    **{
        (kind, name): ("payments.Allocation", called)
        for kind in ("payments.Invoice", "payments.Payment")
        for name, called in (("allocate", "create"), ("release", "release"))
    },
    ("payments.Payment", "refund"): ("payments.Refund", "create"),
    ("payments.Payment", "settle"): ("payments.PaymentAttempt", "settle"),
    ("payments.Payment", "correct_receipt"): ("payments.FiscalReceipt", "correct"),
    ("payments.Payment", "retry_receipt"): ("payments.FiscalReceipt", "retry"),
    ("payments.Invoice", "payment_link"): ("payments.PaymentLink", "create"),
    ("payments.Invoice", "revoke_link"): ("payments.PaymentLink", "revoke"),
    ("payments.Invoice", "repeat"): ("payments.RecurringInvoice", "create"),
    ("payments.Invoice", "pause_series"): ("payments.RecurringInvoice", "pause"),
    ("payments.Invoice", "resume_series"): ("payments.RecurringInvoice", "resume"),
    ("payments.Invoice", "end_series"): ("payments.RecurringInvoice", "end"),
    ("payments.ProviderAccount", "reread"): ("payments.WebhookMessage", "reread"),
    ("payments.StatementFile", "layout"): ("payments.StatementFile", "partial_update"),
    ("payments.BankLine", "aside"): ("payments.BankLine", "set_aside"),
    ("payments.BankLine", "back"): ("payments.BankLine", "put_back"),
    ("payments.BankLine", "release"): ("payments.BankMatch", "release"),
    ("notifications.CalendarFeed", "change"): ("notifications.CalendarFeed", "revoke"),
    ("notifications.ChannelAddress", "change"): ("notifications.ChannelAddress", "turn_off"),
    ("notifications.Delivery", "change"): ("notifications.Delivery", "redeliver"),
    ("notifications.Task", "calendar"): ("notifications.Task", "list"),
    ("notifications.Task", "day"): ("notifications.Task", "list"),
    ("notifications.Task", "quick"): ("notifications.Task", "create"),
    ("notifications.WebhookDelivery", "change"): ("notifications.WebhookDelivery", "redeliver"),
}

_OWN_WAY = "Django's page of a new password for somebody; over REST everybody sets their own, at /_allauth/."
_OPERATING = "For whoever runs the installation, by its pages and its commands."
_DRAWING = "Draws a part of a page; there is nothing in it that other reads do not tell."

NOT_OVER_REST: dict[tuple[str, str], str] = {
    (
        "accounts.Application",
        "change",
    ): "A registered program is turned off and registered anew: what was agreed to stays.",
    ("accounts.ImpersonationSession", "view"): "Told by the record of access, which REST has.",
    (
        "accounts.User",
        "act_as",
    ): "Acting as somebody is for a person at a browser, under a banner that says so.",
    ("accounts.User", "set_password"): _OWN_WAY,
    (
        "accounts.User",
        "unlock",
    ): "Whoever was locked out unlocks themselves by a letter; helping is done face to face.",
    **{("accounts.SigningKey", name): _OPERATING for name in ("view", "change", "leaked", "rotate")},
    ("crm.Deal", "board_choices"): _DRAWING,
    **{
        ("documents.DriveAccount", name): "Takes a secret of Google's, which no program here has to hold."
        for name in ("add", "change", "new_key")
    },
    (
        "documents.DriveRoot",
        "add",
    ): "Joins a drive to the platform, which its owner sees and agrees to step by step.",
    (
        "documents.DriveRoot",
        "change",
    ): "Joins a drive to the platform, which its owner sees and agrees to step by step.",
    ("documents.IntegrityRun", "begin"): _OPERATING,
    ("documents.IntegrityRun", "view"): _OPERATING,
    ("documents.WatchChannel", "view"): _OPERATING,
    ("history.ChangeSet", "history_size"): _OPERATING,
    (
        "history.ChangeSet",
        "history_undo_decide",
    ): "What changed since is chosen between by eye, with both versions side by side.",
    ("notifications.WebhookEndpoint", "catalogue"): _DRAWING,
    ("notifications.WebhookEndpoint", "notifications_event_types"): _DRAWING,
}

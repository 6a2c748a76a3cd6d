"""Documents: what comes in, is shown and passed on, made from templates, signed, and kept in step with Google Drive."""

from celery.schedules import crontab

from config.settings.environment import env

# Uploads and what is kept of them
# The largest file, and how much of files that are on their way one person may have begun.
UPLOAD_MAX_BYTES = env.int("UPLOAD_MAX_BYTES", default=5 * 1024**3)
UPLOAD_MAX_OPEN = env.int("UPLOAD_MAX_OPEN", default=200)
UPLOAD_MAX_OPEN_BYTES = env.int("UPLOAD_MAX_OPEN_BYTES", default=20 * 1024**3)
# A piece: half a second on an office's line of 64 Mbit/s, what is sent again when the line breaks, and what a server may
# have of it in memory.
UPLOAD_PART_BYTES = env.int("UPLOAD_PART_BYTES", default=4 * 1024**2)
# An upload that nobody goes on with is given up after so long; a weekend.
UPLOAD_KEPT_HOURS = env.int("UPLOAD_KEPT_HOURS", default=72)
# Up to here a file is checked while its sender waits: some 200 MB/s, so a third of a second. Larger ones are a worker's.
UPLOAD_CHECKED_AT_ONCE = env.int("UPLOAD_CHECKED_AT_ONCE", default=64 * 1024**2)
# Where contents lie in S3, large files are sent to it by their senders; its CORS rules have to allow PUT from here.
UPLOAD_DIRECT = env.bool("UPLOAD_DIRECT", default=True)
UPLOAD_URL_SECONDS = env.int("UPLOAD_URL_SECONDS", default=3600)
# What decoding an image takes: 3 bytes a pixel, a quarter of a GiB in all.
UPLOAD_MAX_PIXELS = env.int("UPLOAD_MAX_PIXELS", default=1024**3 // 4 // 3)
# An archive, with those within it: so many files, so many bytes unpacked, and so many times its own size. Office files
# pack 10 to 1 and logs 50 to 1; a megabyte of zeros packs 1028 to 1.
UPLOAD_MAX_ENTRIES = env.int("UPLOAD_MAX_ENTRIES", default=20_000)
UPLOAD_MAX_UNPACKED_BYTES = env.int("UPLOAD_MAX_UNPACKED_BYTES", default=10 * 1024**3)
UPLOAD_MAX_RATIO = env.int("UPLOAD_MAX_RATIO", default=200)
INTEGRITY_RETENTION_DAYS = env.int("INTEGRITY_RETENTION_DAYS", default=90)

# Documents: what is shown, passed on and found
# nginx gives the contents of a directory out by itself, from the internal location of this name ("/contents/").
DOCUMENTS_ACCEL = env.str("DOCUMENTS_ACCEL", default="")
# For so many seconds whoever has the address of a content in S3 gets it.
DOCUMENTS_S3_SECONDS = env.int("DOCUMENTS_S3_SECONDS", default=60)
# Larger contents get no preview, and their words are not found.
DOCUMENTS_PREVIEW_MAX_BYTES = env.int("DOCUMENTS_PREVIEW_MAX_BYTES", default=100 * 1024 * 1024)
# So many pages of a document are made into pictures.
DOCUMENTS_PREVIEW_PAGES = env.int("DOCUMENTS_PREVIEW_PAGES", default=5)
# A photograph of 100 megapixels takes 300 MB as long as it is worked on.
DOCUMENTS_MAX_PIXELS = env.int("DOCUMENTS_MAX_PIXELS", default=100_000_000)
# What a process gets that reads a file of strangers: bytes of addresses, seconds of a processor, and so many
# seconds by the clock on top of those.
DOCUMENTS_SANDBOX_MEMORY = env.int("DOCUMENTS_SANDBOX_MEMORY", default=1024 * 1024 * 1024)
DOCUMENTS_SANDBOX_SECONDS = env.int("DOCUMENTS_SANDBOX_SECONDS", default=30)
DOCUMENTS_SANDBOX_GRACE = env.int("DOCUMENTS_SANDBOX_GRACE", default=30)
# LibreOffice needs more of both.
DOCUMENTS_OFFICE_MEMORY = env.int("DOCUMENTS_OFFICE_MEMORY", default=2 * 1024 * 1024 * 1024)
DOCUMENTS_OFFICE_SECONDS = env.int("DOCUMENTS_OFFICE_SECONDS", default=60)
# The longest that a share link leads anywhere, and how long its log is kept.
SHARE_LINK_MAX_DAYS = env.int("SHARE_LINK_MAX_DAYS", default=90)
SHARE_VISIT_DAYS = env.int("SHARE_VISIT_DAYS", default=365)
# Views of shared pages from one address in a minute, and wrong passwords for one link in ten minutes.
SHARE_VIEWS = env.int("SHARE_VIEWS", default=120)
SHARE_PASSWORDS = env.int("SHARE_PASSWORDS", default=10)
# A bundle holds at most so many documents and bytes, and can be downloaded for so long.
BUNDLE_MAX_DOCUMENTS = env.int("BUNDLE_MAX_DOCUMENTS", default=1_000)
BUNDLE_MAX_BYTES = env.int("BUNDLE_MAX_BYTES", default=2 * 1024 * 1024 * 1024)
BUNDLE_KEPT_HOURS = env.int("BUNDLE_KEPT_HOURS", default=72)
BUNDLE_MAX_AT_ONCE = env.int("BUNDLE_MAX_AT_ONCE", default=5)

# Papers made from templates: how long filling and setting one may take; the program that turns office files into
# PDF ("" for none), found in PATH.
DOCUMENT_RENDER_SECONDS = env.float("DOCUMENT_RENDER_SECONDS", default=10.0)
DOCUMENT_OFFICE = env.str("DOCUMENT_OFFICE", default="soffice")

# A document is out to be signed for so long at most, and so many wrong codes lock a link until it is sent again.
SIGNATURE_MAX_DAYS = env.int("SIGNATURE_MAX_DAYS", default=90)
SIGNATURE_WRONG_CODES = env.int("SIGNATURE_WRONG_CODES", default=10)
# A PKCS#12 file with the organization's key and certificate: with it, evidence is sealed.
SIGNATURE_CERTIFICATE = env.str("SIGNATURE_CERTIFICATE", default="")
SIGNATURE_CERTIFICATE_PASSWORD = env.str("SIGNATURE_CERTIFICATE_PASSWORD", default="")

# Google Drive
# Where it stands; another address is a stand-in for demonstrations and tests.
GOOGLE_DRIVE_API_ROOT = env.str("GOOGLE_DRIVE_API_ROOT", default="https://www.googleapis.com/")
# The key file of accounts whose key is not kept, sealed, in the database.
GOOGLE_DRIVE_KEY_FILE = env.str("GOOGLE_DRIVE_KEY_FILE", default="")
# The name of this installation: a copy of its database under another name changes nothing in Drive.
GOOGLE_DRIVE_INSTANCE = env.str("GOOGLE_DRIVE_INSTANCE", default="artel")
# Where Drive can reach this installation, as https://crm.example.com; without it, changes are found by asking.
GOOGLE_DRIVE_WEBHOOK_BASE = env.str("GOOGLE_DRIVE_WEBHOOK_BASE", default="")
GOOGLE_DRIVE_CHANNEL_HOURS = env.int("GOOGLE_DRIVE_CHANNEL_HOURS", default=7 * 24)
GOOGLE_DRIVE_POLL_SECONDS = env.int("GOOGLE_DRIVE_POLL_SECONDS", default=120)
# What an account may write in a second, whatever its quota: Google's own advice, and it cannot be raised. 0 is no limit.
GOOGLE_DRIVE_WRITES_PER_SECOND = env.float("GOOGLE_DRIVE_WRITES_PER_SECOND", default=3.0)
# So many new files a worker sends at a time, each on a connection of its own.
GOOGLE_DRIVE_UPLOADS_AT_ONCE = env.int("GOOGLE_DRIVE_UPLOADS_AT_ONCE", default=4)
GOOGLE_DRIVE_TIMEOUT_SECONDS = env.float("GOOGLE_DRIVE_TIMEOUT_SECONDS", default=60.0)
# How often a call is tried before its task is put off, and how long it waits for that at first.
GOOGLE_DRIVE_ATTEMPTS = env.int("GOOGLE_DRIVE_ATTEMPTS", default=4)
GOOGLE_DRIVE_FIRST_WAIT_SECONDS = env.float("GOOGLE_DRIVE_FIRST_WAIT_SECONDS", default=1.0)
# Longer than any single call with all its attempts; an upload prolongs it with each of its parts.
GOOGLE_DRIVE_LEASE_SECONDS = env.int("GOOGLE_DRIVE_LEASE_SECONDS", default=600)
# So many workers do what is due at a time, each for so many seconds before it makes room for other work.
GOOGLE_DRIVE_WORKERS = env.int("GOOGLE_DRIVE_WORKERS", default=2)
GOOGLE_DRIVE_WORK_SECONDS = env.float("GOOGLE_DRIVE_WORK_SECONDS", default=20.0)
# A file out of sight for so long, while everything else is in sight, was deleted.
GOOGLE_DRIVE_PROOF_SECONDS = env.int("GOOGLE_DRIVE_PROOF_SECONDS", default=3600)
# More disappearances than this, or than this share of a folder, within the window pause it.
GOOGLE_DRIVE_BREAKER_FILES = env.int("GOOGLE_DRIVE_BREAKER_FILES", default=20)
GOOGLE_DRIVE_BREAKER_SHARE = env.float("GOOGLE_DRIVE_BREAKER_SHARE", default=0.05)
GOOGLE_DRIVE_BREAKER_MINUTES = env.int("GOOGLE_DRIVE_BREAKER_MINUTES", default=60)
GOOGLE_DRIVE_MAX_BYTES = env.int("GOOGLE_DRIVE_MAX_BYTES", default=1024**3)
GOOGLE_DRIVE_USAGE_DAYS = env.int("GOOGLE_DRIVE_USAGE_DAYS", default=30)

# What is done by itself; each may run twice at once without harm.
DOCUMENTS_BEAT = {
    "purge-documents": {
        "task": "apps.documents.tasks.purge_documents",
        "schedule": crontab(hour=2, minute=41),
    },
    "sweep-uploads": {
        "task": "apps.documents.tasks.sweep_uploads",
        "schedule": 60.0,
        "options": {"expires": 60},
    },
    "verify-documents": {
        "task": "apps.documents.tasks.verify_documents_nightly",
        "schedule": crontab(hour=4, minute=31),
    },
    "prepare-documents": {
        "task": "apps.documents.tasks.prepare_waiting",
        "schedule": crontab(minute="*/2"),
        "options": {"expires": 100},
    },
    "expire-bundles": {"task": "apps.documents.tasks.expire_bundles", "schedule": crontab(minute=23)},
    "expire-share-visits": {
        "task": "apps.documents.tasks.expire_share_visits",
        "schedule": crontab(hour=3, minute=51),
    },
    "check-approvals": {"task": "apps.documents.tasks.check_approvals", "schedule": crontab(minute="*/5")},
    "expire-signature-requests": {
        "task": "apps.documents.tasks.expire_signature_requests",
        "schedule": 60.0,
        "options": {"expires": 60},
    },
    "write-missing-evidence": {
        "task": "apps.documents.tasks.write_missing_evidence",
        "schedule": crontab(minute="*/5"),
    },
    "verify-signatures": {
        "task": "apps.documents.tasks.verify_signatures_nightly",
        "schedule": crontab(hour=4, minute=21),
    },
    "work-on-drive": {
        "task": "apps.documents.tasks.work_on_drive",
        "schedule": 5.0,
        "options": {"expires": 5},
    },
    "poll-drive": {"task": "apps.documents.tasks.poll_drive", "schedule": 30.0, "options": {"expires": 30}},
    "renew-drive-channels": {
        "task": "apps.documents.tasks.renew_drive_channels",
        "schedule": crontab(minute="*/10"),
    },
    "probe-drive": {"task": "apps.documents.tasks.probe_drive", "schedule": crontab(minute="*/15")},
    "reconcile-drive": {
        "task": "apps.documents.tasks.reconcile_drive",
        "schedule": crontab(hour=2, minute=23),
    },
    "expire-drive": {"task": "apps.documents.tasks.expire_drive", "schedule": crontab(hour=3, minute=51)},
}

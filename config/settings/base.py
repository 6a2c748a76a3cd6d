"""
Settings that every way of running shares; each may come from the environment, or from a file named by X_FILE.

Local runs read `.env` in the root; `make run` fills in what is missing (database, Redis, secret key).
"""

from celery.schedules import crontab
from django.templatetags.static import static
from django.utils.translation import gettext_lazy as _
from kombu import Queue

from config.settings.doors import *  # noqa: F403
from config.settings.environment import ARTEL_HOME, ROOT, env
from config.settings.machines import *  # noqa: F403
from config.settings.money import *  # noqa: F403
from config.settings.money import MONEY_BEAT
from config.settings.papers import *  # noqa: F403
from config.settings.papers import DOCUMENTS_BEAT
from config.settings.people import *  # noqa: F403
from config.settings.telling import *  # noqa: F403
from config.settings.telling import TELLING_BEAT

DEBUG = env.bool("DEBUG", default=False)
SECRET_KEY = env.str("SECRET_KEY")
# Earlier ones still open what they have sealed, and sessions of before.
SECRET_KEY_FALLBACKS = env.list("SECRET_KEY_FALLBACKS", default=[])
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["localhost", "127.0.0.1", "[::1]"])
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[])

INSTALLED_APPS = [
    # The basic one: the other puts a site of its own in place of ours.
    "unfold.apps.BasicAppConfig",
    "unfold.contrib.filters",
    "unfold.contrib.forms",
    "config.apps.ArtelAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.postgres",
    "django.contrib.humanize",
    "django.forms",
    "channels",
    "rest_framework",
    "django_filters",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "allauth",
    "allauth.account",
    "allauth.headless",
    "allauth.mfa",
    "allauth.usersessions",
    "oauth2_provider",
    "storages",
    "apps.common",
    "apps.events",
    "apps.accounts",
    "apps.jobs",
    "apps.history",
    "apps.lists",
    "apps.documents",
    "apps.crm",
    "apps.payments",
    "apps.notifications",
    "apps.gateway",
]

MIDDLEWARE = [
    "apps.common.middleware.StreamMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "apps.common.middleware.RequestIdMiddleware",
    "apps.accounts.middleware.OriginMiddleware",
    "apps.common.middleware.BodyLimitMiddleware",
    "apps.common.middleware.PlainAddressMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "apps.accounts.faces.impersonation.ImpersonationMiddleware",
    "apps.accounts.middleware.PersonalSettingsMiddleware",
    "apps.accounts.middleware.LastUseMiddleware",
    "apps.accounts.faces.guard.SecondFactorMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "apps.history.middleware.ChangeSetMiddleware",
]

# What a program with a key passes through under WSGI: it has no session, no cookies, no forms and no page to be framed.
PROGRAM_MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "apps.common.middleware.RequestIdMiddleware",
    "apps.accounts.middleware.OriginMiddleware",
    "apps.common.middleware.BodyLimitMiddleware",
    "apps.common.middleware.PlainAddressMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "apps.history.middleware.ChangeSetMiddleware",
]

# Of these, what says the same of all requests to the same host, in the same languages, by the same kind of program: it is
# asked once for all of them where the requests are hot (`apps.accounts.faces.lane`).
REMEMBERED_MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
]

ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
ASGI_APPLICATION = "config.asgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [ROOT / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "django.template.context_processors.i18n",
            ],
        },
    }
]
FORM_RENDERER = "django.forms.renderers.TemplatesSetting"

# PostgreSQL. Statements are bound by the server; what is asked all day keeps its plan there, for planning is half of a
# short query's time. Behind PgBouncer in transaction mode that needs its `max_prepared_statements`.
KEEP_PLANS = env.bool("KEEP_PLANS", default=True)
DATABASES = {"default": env.db("DATABASE_URL")}
DATABASES["default"]["ENGINE"] = "apps.common.postgresql"
DATABASES["default"]["CONN_MAX_AGE"] = env.int("CONN_MAX_AGE", default=60)
DATABASES["default"]["CONN_HEALTH_CHECKS"] = True
DATABASES["default"].setdefault("OPTIONS", {})["server_side_binding"] = True
# Where a thread lives as long as its request (`config.asgi`), the process has so many connections for all of them, and a
# request waits so long for one; elsewhere a thread keeps its own.
if env.bool("DATABASE_IS_POOLED", default=False):
    most = env.int("DATABASE_POOL", default=16)
    DATABASES["default"]["CONN_MAX_AGE"] = 0
    DATABASES["default"]["OPTIONS"]["pool"] = {"min_size": min(2, most), "max_size": most, "timeout": 10}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# Redis makes things fast and may be wiped at any time; PostgreSQL is the truth.
REDIS_URL = env.str("REDIS_URL")
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": REDIS_URL,
        "KEY_PREFIX": "artel",
    }
}
SESSION_ENGINE = "django.contrib.sessions.backends.cached_db"
SESSION_COOKIE_SAMESITE = "Lax"
CHANNEL_LAYERS = {
    "default": {
        "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
        "CONFIG": {"hosts": [REDIS_URL]},
    }
}

CELERY_BROKER_URL = env.str("CELERY_BROKER_URL", default=REDIS_URL)
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TASK_DEFAULT_QUEUE = "artel"
# A job holds its worker for as long as it lasts: in the common queue, two imports would keep every receiver waiting.
CELERY_TASK_ROUTES = {
    "apps.jobs.tasks.run_job": {"queue": "artel.jobs"},
    # So does reading files, and speaking with Drive.
    **{
        f"apps.documents.tasks.{name}": {"queue": "artel.jobs"}
        for name in ("make_renditions", "prepare_waiting", "read_text", "work_on_drive")
    },
}
# A worker that is told no queues serves both.
CELERY_TASK_QUEUES = [Queue(name, routing_key=name) for name in ("artel", "artel.jobs")]
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_TRANSPORT_OPTIONS = {"socket_timeout": 5, "socket_connect_timeout": 5}
CELERY_TIMEZONE = "UTC"
# Each of these may run twice at once without harm, so a second beat is only a waste.
CELERY_BEAT_SCHEDULE = {
    "deliver-letters": {
        "task": "apps.accounts.tasks.deliver_letters",
        "schedule": 5.0,
        "options": {"expires": 5},
    },
    "sweep-jobs": {"task": "apps.jobs.tasks.sweep_jobs", "schedule": 3.0, "options": {"expires": 3}},
    # Days end at different times in different places; an hour late is early enough.
    "expire-quotes": {"task": "apps.crm.tasks.expire_quotes", "schedule": crontab(minute=7)},
    "verify-ledger": {
        "task": "apps.payments.tasks.verify_ledger_nightly",
        "schedule": crontab(hour=2, minute=47),
    },
    "expire-idempotency-keys": {
        "task": "apps.payments.tasks.expire_idempotency_keys",
        "schedule": crontab(minute=43),
    },
    "expire-imports": {"task": "apps.crm.tasks.expire_imports", "schedule": crontab(minute=17)},
    "search-duplicates": {
        "task": "apps.crm.tasks.search_duplicates",
        "schedule": crontab(hour=2, minute=21),
    },
    "deliver-mail": {
        "task": "apps.crm.tasks.deliver_due_mail",
        "schedule": 15.0,
        "options": {"expires": 15},
    },
    "number-timelines": {"task": "apps.crm.tasks.number_timelines", "schedule": crontab(minute=52)},
    "run-due-rules": {
        "task": "apps.crm.tasks.run_due_rules",
        "schedule": crontab(),
        "options": {"expires": 60},
    },
    "expire-automation-runs": {
        "task": "apps.crm.tasks.expire_automation_runs",
        "schedule": crontab(hour=3, minute=41),
    },
    "expire-board-changes": {"task": "apps.crm.tasks.expire_board_changes", "schedule": crontab(minute=37)},
    "sum-up-funnel": {
        "task": "apps.crm.tasks.sum_up_funnel",
        "schedule": 20.0,
        "options": {"expires": 20},
    },
    "follow-rates": {"task": "apps.crm.tasks.follow_rates", "schedule": crontab(hour=1, minute=13)},
    # Asked each hour, and taken once: a beat that stood still at midnight catches up.
    "take-forecasts": {"task": "apps.crm.tasks.take_forecasts", "schedule": crontab(minute=3)},
    "expire-events": {"task": "apps.events.tasks.expire_events", "schedule": crontab(hour=3, minute=11)},
    "expire-history": {
        "task": "apps.history.tasks.expire_history",
        "schedule": crontab(hour=3, minute=31),
    },
    "expire-selections": {
        "task": "apps.lists.tasks.expire_selections",
        "schedule": crontab(hour=3, minute=41),
    },
    "expire-bulk-edits": {
        "task": "apps.lists.tasks.expire_bulk_edits",
        "schedule": crontab(hour=3, minute=46),
    },
    "expire-disclosures": {"task": "apps.crm.tasks.expire_disclosures", "schedule": crontab(minute=29)},
    "expire-exports": {"task": "apps.lists.tasks.expire_exports", "schedule": crontab(minute=27)},
    "verify-auth-events": {
        "task": "apps.accounts.tasks.verify_auth_events_nightly",
        "schedule": crontab(hour=4, minute=1),
    },
    "expire-token-cuts": {
        "task": "apps.accounts.tasks.expire_token_cuts",
        "schedule": crontab(minute=47),
    },
    "rotate-signing-keys": {
        "task": "apps.accounts.tasks.rotate_signing_keys",
        "schedule": crontab(minute=7),
    },
    "clear-tokens": {"task": "apps.accounts.tasks.clear_tokens", "schedule": crontab(minute=7)},
    "expire-jobs": {"task": "apps.jobs.tasks.expire_jobs", "schedule": crontab(hour=3, minute=21)},
}
CELERY_BEAT_SCHEDULE |= {
    # The Bank of Russia publishes tomorrow's rates in the afternoon, the ECB at four: within the hour they are here.
    "fetch-rates": {"task": "apps.payments.tasks.fetch_rates", "schedule": crontab(minute=23)},
}
CELERY_BEAT_SCHEDULE |= DOCUMENTS_BEAT | MONEY_BEAT | TELLING_BEAT

# Rates of central banks; an empty address asks nobody.
RATES_CBR_URL = env.str("RATES_CBR_URL", default="https://www.cbr.ru/scripts/XML_daily.asp")
RATES_ECB_URL = env.str(
    "RATES_ECB_URL", default="https://www.ecb.europa.eu/stats/eurofxref/eurofxref-daily.xml"
)
# Seconds for one answer, all of it.
RATES_TIMEOUT = env.float("RATES_TIMEOUT", default=15.0)
# A statement of a year with a hundred lines a day takes some megabytes.
STATEMENT_MAX_BYTES = env.int("STATEMENT_MAX_BYTES", default=10 << 20)

# Words and numbers
LANGUAGE_CODE = env.str("LANGUAGE_CODE", default="en")
LANGUAGES = [("en", _("English")), ("ru", _("Russian"))]
LOCALE_PATHS = [ROOT / "locale"]
TIME_ZONE = env.str("TIME_ZONE", default="UTC")
USE_TZ = True
USE_I18N = True
BASE_CURRENCY = env.str("BASE_CURRENCY", default="RUB")
# The country (ISO 3166) of telephone numbers that are written without one.
PHONE_REGION = env.str("PHONE_REGION", default="RU")

# Files
STATIC_URL = "/static/"
STATIC_ROOT = ARTEL_HOME / "static"
STATICFILES_DIRS = [ROOT / "static"]
WHITENOISE_USE_FINDERS = True
_S3_BUCKET = env.str("S3_BUCKET", default="")
_DIRECTORY = {
    "BACKEND": "django.core.files.storage.FileSystemStorage",
    "OPTIONS": {"location": str(ARTEL_HOME / "media"), "file_permissions_mode": 0o600},
}
_S3_OPTIONS: dict[str, object] = {
    "bucket_name": _S3_BUCKET,
    "endpoint_url": env.str("S3_ENDPOINT_URL", default="") or None,
    "region_name": env.str("S3_REGION", default="") or None,
    "access_key": env.str("S3_ACCESS_KEY_ID", default="") or None,
    "secret_key": env.str("S3_SECRET_ACCESS_KEY", default="") or None,
    "file_overwrite": False,
    "signature_version": "s3v4",
    "default_acl": None,
}
_S3 = {"BACKEND": "storages.backends.s3.S3Storage", "OPTIONS": _S3_OPTIONS}
# Contents of documents lie under their own digests: what is written twice is the same.
_CONTENTS_DIRECTORY = {
    "BACKEND": "apps.documents.storage.DirectoryStorage",
    "OPTIONS": {
        "location": str(ARTEL_HOME / "documents"),
        "file_permissions_mode": 0o600,
        "allow_overwrite": True,
    },
}
_CONTENTS_S3 = _S3 | {"OPTIONS": {**_S3_OPTIONS, "file_overwrite": True, "location": "documents"}}
STORAGES = {
    "default": _S3 if _S3_BUCKET else _DIRECTORY,
    "documents": _CONTENTS_S3 if _S3_BUCKET else _CONTENTS_DIRECTORY,
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
IMPORT_MAX_BYTES = env.int("IMPORT_MAX_BYTES", default=200 * 1024 * 1024)
IMPORT_RETENTION_DAYS = env.int("IMPORT_RETENTION_DAYS", default=30)
# A file that somebody exported can be downloaded for so long, holds at most so many rows, and so many are written
# for one person at a time.
EXPORT_KEPT_HOURS = env.int("EXPORT_KEPT_HOURS", default=24)
EXPORT_MAX_ROWS = env.int("EXPORT_MAX_ROWS", default=2_000_000)
EXPORT_MAX_AT_ONCE = env.int("EXPORT_MAX_AT_ONCE", default=5)
# More rows than this are taken away only by who has shown recently who they are.
EXPORT_REAUTH_ROWS = env.int("EXPORT_REAUTH_ROWS", default=10_000)
# Written in one transaction: a few tenths of a second, and a few megabytes.
EXPORT_CHUNK_ROWS = env.int("EXPORT_CHUNK_ROWS", default=5_000)
# The largest request anybody may send: an import file and the form around it.
BODY_MAX_BYTES = IMPORT_MAX_BYTES + 1024 * 1024
DATA_UPLOAD_MAX_MEMORY_SIZE = 5 * 1024 * 1024

# Mail
# Where "filemail:///…" puts letters, a file for each.
EMAIL_FILE_PATH: str = ""
vars().update(env.email("EMAIL_URL", default="consolemail://"))
# A worker waits no longer for a mail server that does not answer; the letter is tried again later.
EMAIL_TIMEOUT = 10
DEFAULT_FROM_EMAIL = env.str("DEFAULT_FROM_EMAIL", default="artel@localhost")
# Letters about deals, companies and people. Answers go to this mailbox with a "+…" before the "@", which says what they
# are about; without it they go to whoever wrote.
MAIL_REPLY_ADDRESS = env.str("MAIL_REPLY_ADDRESS", default="")
# The mailbox that `fetch_mail` reads: imaps://name:password@host/INBOX.
MAIL_IMAP_URL = env.str("MAIL_IMAP_URL", default="")
# Signs what is posted to /api/v1/crm/mail/inbound/; without it nothing is taken in there.
MAIL_INBOUND_SECRET = env.str("MAIL_INBOUND_SECRET", default="")
MAIL_MAX_BYTES = env.int("MAIL_MAX_BYTES", default=25 * 1024 * 1024)

# REST
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "apps.accounts.faces.keys.BearerAuthentication",
        "apps.accounts.faces.sessions.PersonSession",
    ],
    "DEFAULT_THROTTLE_CLASSES": ["apps.common.api.throttling.RequestLimit"],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "apps.common.api.negotiation.JsonNegotiation",
    "DEFAULT_FILTER_BACKENDS": ["django_filters.rest_framework.DjangoFilterBackend"],
    "DEFAULT_PAGINATION_CLASS": "apps.common.api.paging.CursorPages",
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "apps.common.api.problems.exception_handler",
    "PAGE_SIZE": 50,
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
    "COERCE_DECIMAL_TO_STRING": True,
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Artel",
    "DESCRIPTION": "Customers, deals, documents, money and messages of one company.",
    "VERSION": "1.0.0",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PERMISSIONS": ["rest_framework.permissions.IsAuthenticated"],
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
    "COMPONENT_SPLIT_REQUEST": True,
    "SCHEMA_PATH_PREFIX": "/api/v1",
    # Names that do not change when another app comes to have a "kind" or a "state" too.
    "ENUM_NAME_OVERRIDES": {
        "FormatEnum": "apps.lists.models.Export.Format",
        "StatementFormatEnum": "apps.payments.models.StatementFile.Format",
        "AutomationOutcomeEnum": "apps.crm.models.AutomationRun.Outcome",
        "OutcomeEnum": "apps.crm.models.Activity.Outcome",
        "ApprovalStateEnum": "apps.documents.models.Approval.State",
        "ApprovalStepStateEnum": "apps.documents.models.ApprovalStep.State",
        "DriveBindingStateEnum": "apps.documents.models.DriveBinding.State",
        "DriveConflictStateEnum": "apps.documents.models.DriveConflict.State",
        "DriveConflictResolutionEnum": "apps.documents.models.DriveConflict.Resolution",
        "DriveRootStateEnum": "apps.documents.models.DriveRoot.State",
        "SignatureRequestStateEnum": "apps.documents.models.SignatureRequest.State",
        "UploadStateEnum": "apps.documents.models.UploadSession.State",
        "ChangeFaceEnum": "apps.history.models.ChangeSet.Face",
        "ChangeKindEnum": "apps.history.api.serializers.KINDS",
        "ContactPointKindEnum": "apps.crm.models.ContactPoint.Kind",
        "DealAmountModeEnum": "apps.crm.models.Deal.AmountMode",
        "DealStatusEnum": "apps.crm.models.Deal.Status",
        "ActivityDirectionEnum": "apps.crm.models.Activity.Direction",
        "ConsentPurposeEnum": "apps.crm.models.Purpose",
        "DealParticipantRoleEnum": "apps.crm.models.DealParticipant.Role",
        "DriveDirectionEnum": "apps.documents.models.DriveRoot.Direction",
        "MailStateEnum": "apps.crm.models.Mail.State",
        "UnmatchedMailStateEnum": "apps.crm.models.UnmatchedMail.State",
        "ChannelEnum": "apps.notifications.models.Channel",
        "ChannelAddressReasonEnum": "apps.notifications.models.ChannelAddress.Reason",
        "DeliveryStateEnum": "apps.notifications.models.Delivery.State",
        "PriorityEnum": "apps.notifications.models.Task.Priority",
        "ErrorEnum": "apps.notifications.models.WebhookDelivery.Error",
        "DeliveryErrorEnum": "apps.notifications.models.Delivery.Error",
        "DeliveryPriorityEnum": "apps.notifications.models.Delivery.Priority",
        "PreferenceModeEnum": "apps.notifications.models.Preference.Mode",
        "WayEnum": "apps.notifications.models.Way",
        "WebhookDeliveryStateEnum": "apps.notifications.models.WebhookDelivery.State",
        "WebhookStateEnum": "apps.notifications.models.WebhookEndpoint.State",
        "DocumentLinkRoleEnum": "apps.documents.models.DocumentLink.Role",
        "DocumentSourceEnum": "apps.documents.models.DocumentVersion.Source",
        "DocumentStatusEnum": "apps.documents.models.Document.Status",
        "PriceSourceEnum": "apps.crm.models.DealLine.PriceSource",
        "QuoteStatusEnum": "apps.crm.models.Quote.Status",
        "InvoiceStatusEnum": "apps.payments.models.Invoice.Status",
        "PaymentStatusEnum": "apps.payments.models.Payment.Status",
        "PaymentMethodEnum": "apps.payments.models.Payment.Method",
        "PaymentProviderEnum": "apps.payments.models.Payment.Provider",
        "RefundStatusEnum": "apps.payments.models.Refund.Status",
        "JournalEntryKindEnum": "apps.payments.models.JournalEntry.Kind",
        "LedgerAccountTypeEnum": "apps.payments.models.LedgerAccount.Type",
        "StageApprovalDecisionEnum": "apps.crm.models.StageApproval.Decision",
        # Of exports and papers: that of their jobs.
        "ExportStateEnum": [(s, s) for s in ("QUEUED", "RUNNING", "SUCCEEDED", "FAILED", "CANCELLED")],
        "FaceEnum": "apps.crm.models.StageTransition.Face",
        "ImportKindEnum": "apps.crm.models.ImportBatch.Kind",
        "ImportModeEnum": "apps.crm.models.ImportBatch.Mode",
        "ImportStateEnum": "apps.crm.models.ImportBatch.State",
        "JobStateEnum": "apps.jobs.models.Job.State",
        "LanguageEnum": [("en", "English"), ("ru", "Russian")],
        "ReachEnum": "apps.accounts.models.RoleGrant.Reach",
        "ShareLinkStateEnum": "apps.documents.models.ShareLink.State",
        "UserKindEnum": "apps.accounts.models.User.Kind",
    },
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "apps.common.api.schema.add_problems",
    ],
}

# The admin's skin. The grays lean to the accent's hue, so that the pages look like one thing in both themes.
UNFOLD = {
    "SITE_TITLE": "Artel",
    "SITE_HEADER": "Artel",
    "SITE_URL": None,
    "SITE_ICON": lambda request: static("img/artel.svg"),
    "SITE_FAVICONS": [
        {"rel": "icon", "type": "image/svg+xml", "href": lambda request: static("img/artel.svg")},
    ],
    "SHOW_VIEW_ON_SITE": False,
    "SHOW_BACK_BUTTON": True,
    "SHOW_LANGUAGES": True,
    "BORDER_RADIUS": "7px",
    "COLORS": {
        "base": {
            "50": "oklch(98.3% .003 220)",
            "100": "oklch(96.3% .005 220)",
            "200": "oklch(92% .008 220)",
            "300": "oklch(86.5% .011 220)",
            "400": "oklch(70.5% .017 222)",
            "500": "oklch(54% .021 224)",
            "600": "oklch(43.5% .023 226)",
            "700": "oklch(36.5% .024 228)",
            "800": "oklch(27% .022 230)",
            "900": "oklch(20.5% .02 232)",
            "950": "oklch(14.5% .016 232)",
        },
        "primary": {
            "50": "oklch(97.8% .014 196)",
            "100": "oklch(94.6% .03 196)",
            "200": "oklch(89.5% .052 197)",
            "300": "oklch(82.5% .078 198)",
            "400": "oklch(76% .098 199)",
            "500": "oklch(70% .105 200)",
            "600": "oklch(50% .088 203)",
            "700": "oklch(43.5% .076 205)",
            "800": "oklch(38% .063 207)",
            "900": "oklch(33% .05 209)",
            "950": "oklch(24% .038 211)",
        },
    },
    "STYLES": [lambda request: static("css/artel.css")],
    "SCRIPTS": [
        lambda request: static("js/live.js"),
        lambda request: static("js/quick.js"),
        lambda request: static("js/keys.js"),
        lambda request: static("js/labels.js"),
    ],
    "COMMAND": {"search_models": True, "show_history": False},
    "SIDEBAR": {
        "show_search": True,
        "command_search": True,
        "show_all_applications": False,
    },
}

# Facts and long work
FAILPOINTS = env.bool("ARTEL_FAILPOINTS", default=False)
# Published data are held against their schemas where mistakes should be found.
EVENT_VALIDATE = env.bool("EVENT_VALIDATE", default=DEBUG)
# A receiver that has not run this long after its message was sent is sent another.
EVENT_RESEND_SECONDS = env.float("EVENT_RESEND_SECONDS", default=30.0)
EVENT_RETENTION_DAYS = env.int("EVENT_RETENTION_DAYS", default=90)
JOB_RETENTION_DAYS = env.int("JOB_RETENTION_DAYS", default=90)
# History is kept this long, and at most so many changes of rows: the oldest go first. A change takes some
# 300 to 700 bytes; rows that were created together and never changed since, next to nothing.
HISTORY_RETENTION_DAYS = env.int("HISTORY_RETENTION_DAYS", default=730)
HISTORY_MAX_CHANGES = env.int("HISTORY_MAX_CHANGES", default=20_000_000)
# So long people may undo what they did themselves; older and others' changes need a permission.
HISTORY_UNDO_OWN_DAYS = env.int("HISTORY_UNDO_OWN_DAYS", default=7)
# The page before an undo compares so many rows with what they were: about a second's work.
HISTORY_PREVIEW_ROWS = env.int("HISTORY_PREVIEW_ROWS", default=20_000)
# So many rows are changed at once by one bulk change: each takes a second a thousand twice, to rehearse and to apply.
BULK_EDIT_MAX_ROWS = env.int("BULK_EDIT_MAX_ROWS", default=100_000)
# A worker renews its lease every third of it; after this many seconds without a renewal another worker takes over.
JOB_LEASE_SECONDS = env.int("JOB_LEASE_SECONDS", default=15)
STREAM_HEARTBEAT_SECONDS = env.float("STREAM_HEARTBEAT_SECONDS", default=5.0)

# The pages of documents
# Nobody else adds versions to a document that somebody works on, for so long unless they say otherwise, and at most.
DOCUMENT_CHECK_OUT_HOURS = env.int("DOCUMENT_CHECK_OUT_HOURS", default=24)
DOCUMENT_CHECK_OUT_MAX_HOURS = env.int("DOCUMENT_CHECK_OUT_MAX_HOURS", default=14 * 24)

# Headers
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "filters": {"request_id": {"()": "apps.common.logs.RequestIdFilter"}},
    "formatters": {
        "line": {"format": "%(asctime)s %(levelname)s %(name)s [%(request_id)s] %(message)s"},
    },
    "handlers": {
        "console": {"class": "logging.StreamHandler", "formatter": "line", "filters": ["request_id"]}
    },
    "root": {"handlers": ["console"], "level": env.str("LOG_LEVEL", default="INFO")},
    "loggers": {
        "django.server": {"level": "WARNING"},
        # Its debugging tells codes and tokens.
        "oauthlib": {"level": "INFO"},
        "oauth2_provider": {"level": "INFO"},
    },
}
SILENCED_SYSTEM_CHECKS: list[str] = []

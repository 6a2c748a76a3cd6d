"""Settings of the tests: real PostgreSQL and Redis, a fast password hash, fail points compiled in."""

from config.settings.base import *  # noqa: F403
from config.settings.base import STATIC_ROOT, STORAGES
from config.settings.environment import ARTEL_HOME

FAILPOINTS = True
# Nobody outside is asked.
RATES_CBR_URL = RATES_ECB_URL = ""
# Files are found where they lie: nobody collects them for a test.
WHITENOISE_AUTOREFRESH = True
EVENT_VALIDATE = True
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
# Tests ask as often as they like, but for those about the limit.
API_LIMIT = API_LIMIT_ANONYMOUS = 0
JOB_LEASE_SECONDS = 3
STREAM_HEARTBEAT_SECONDS = 1.0
CONN_MAX_AGE = 0
STORAGES = STORAGES | {
    "default": {
        "BACKEND": "django.core.files.storage.FileSystemStorage",
        "OPTIONS": {"location": str(ARTEL_HOME / "media")},
    }
}
# Files are served from where they lie: nothing has been collected, and looking through all of them takes a second.
WHITENOISE_AUTOREFRESH = True
# Static files come from their sources; WhiteNoise warns of a place that is not there.
STATIC_ROOT.mkdir(parents=True, exist_ok=True)

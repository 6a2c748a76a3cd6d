"""How people log in, and how programs show who they are."""

from django.urls import reverse_lazy

from config.settings.environment import env

AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = ["apps.accounts.backends.PolicyBackend"]
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.Argon2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
# So long a process takes its own word for a key, when something is only read: a revoked one ends within that time.
API_KEY_TRUST_SECONDS = env.float("API_KEY_TRUST_SECONDS", default=0.5)
# The longest that one row may be shared with somebody.
ACCESS_GRANT_MAX_DAYS = env.int("ACCESS_GRANT_MAX_DAYS", default=90)
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LOGIN_URL = reverse_lazy("account_login")
LOGIN_REDIRECT_URL = reverse_lazy("admin:index")
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
# One address each: a new one takes the place of the old when it is confirmed.
ACCOUNT_CHANGE_EMAIL = True
ACCOUNT_ADAPTER = "apps.accounts.entering.adapter.AccountAdapter"
USERSESSIONS_ADAPTER = "apps.accounts.entering.adapter.SessionsAdapter"
ACCOUNT_LOGOUT_ON_GET = False
# How many proxies of ours stand in front: the address that limits count by is taken from what the last one says.
ALLAUTH_TRUSTED_PROXY_COUNT = env.int("TRUSTED_PROXY_COUNT", default=0)
ACCOUNT_SESSION_REMEMBER = True
# So long after showing who they are, people do dangerous things without being asked once more.
ACCOUNT_REAUTHENTICATION_TIMEOUT = env.int("REAUTHENTICATION_SECONDS", default=15 * 60)

# Second factors
MFA_ADAPTER = "apps.accounts.entering.factors.MFAAdapter"
MFA_FORMS = {"add_webauthn": "apps.accounts.entering.factors.PasskeyForm"}
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
MFA_TOTP_ISSUER = "Artel"
# A code that was read a moment before the next one came is taken, too (RFC 6238, section 5.2).
MFA_TOTP_TOLERANCE = 1
MFA_RECOVERY_CODES_SHOW_ONCE = True
MFA_PASSKEY_LOGIN_ENABLED = True
MFA_WEBAUTHN_USER_VERIFICATION = "required"
# Roles say so by themselves; this is about administrators of everything, who need no role.
REQUIRE_MFA_OF_ADMINISTRATORS = env.bool("REQUIRE_MFA_OF_ADMINISTRATORS", default=False)

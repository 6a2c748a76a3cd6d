"""How often anybody may knock: limits, codes by mail, invitations, sign-up, and logging in over REST."""

from config.settings.environment import env

# Requests to the API a minute: of one key or person, and of one address where nobody says who they are; 0 is no limit.
API_LIMIT = env.int("API_LIMIT", default=6000)
API_LIMIT_ANONYMOUS = env.int("API_LIMIT_ANONYMOUS", default=300)
# Messages through one form: so many of one address in so many seconds.
LEAD_FORM_LIMIT = (env.int("LEAD_FORM_LIMIT", default=20), 600)

# Wrong passwords and client secrets, as (how many, in how many seconds): at one account from one address, at one account
# from all addresses, and from one address at all accounts.
LOGIN_LIMITS_NEAR = [
    (env.int("LOGIN_ATTEMPTS", default=5), 300),
    (2 * env.int("LOGIN_ATTEMPTS", default=5), 3600),
]
LOGIN_LIMIT_ACCOUNT = (env.int("LOGIN_ATTEMPTS_PER_ACCOUNT", default=30), 3600)
LOGIN_LIMIT_ADDRESS = (env.int("LOGIN_ATTEMPTS_PER_ADDRESS", default=30), 3600)
# What else can be asked for without end: letters, above all. Wrong passwords are counted by the limits above; what
# allauth calls failed logins are here wrong codes of second factors, of one person at whichever door.
ACCOUNT_RATE_LIMITS = {
    "login_failed": "5/5m/key,10/h/key",
    "reset_password": "20/m/ip,5/5m/key",
    "request_login_code": "20/m/ip,5/5m/key",
}

# Codes by mail: one letter is answered within so many seconds, by at most so many wrong codes.
CODE_ATTEMPTS = 3
ACCOUNT_LOGIN_BY_CODE_ENABLED = True
ACCOUNT_LOGIN_BY_CODE_TIMEOUT = 10 * 60
ACCOUNT_LOGIN_BY_CODE_MAX_ATTEMPTS = CODE_ATTEMPTS
ACCOUNT_LOGIN_BY_CODE_SUPPORTS_RESEND = True
ACCOUNT_EMAIL_VERIFICATION = "mandatory"
ACCOUNT_EMAIL_VERIFICATION_BY_CODE_ENABLED = True
ACCOUNT_EMAIL_VERIFICATION_BY_CODE_TIMEOUT = 15 * 60
ACCOUNT_EMAIL_VERIFICATION_BY_CODE_MAX_ATTEMPTS = CODE_ATTEMPTS
ACCOUNT_EMAIL_VERIFICATION_SUPPORTS_RESEND = True
ACCOUNT_PASSWORD_RESET_BY_CODE_ENABLED = True
ACCOUNT_PASSWORD_RESET_BY_CODE_TIMEOUT = 15 * 60
ACCOUNT_PASSWORD_RESET_BY_CODE_MAX_ATTEMPTS = CODE_ATTEMPTS
ACCOUNT_FORMS = {
    "login": "apps.accounts.entering.forms.LoginForm",
    "change_password": "apps.accounts.entering.code_forms.ChangePasswordForm",
    "confirm_login_code": "apps.accounts.entering.code_forms.ConfirmLoginCodeForm",
    "confirm_email_verification_code": "apps.accounts.entering.code_forms.ConfirmEmailVerificationCodeForm",
    "confirm_password_reset_code": "apps.accounts.entering.code_forms.ConfirmPasswordResetCodeForm",
}
# Whether there is an account with an address is nobody's business. Letters to addresses that nobody has are written, so
# that asking for one takes as long, and thrown away.
ACCOUNT_EMAIL_UNKNOWN_ACCOUNTS = True
ACCOUNT_PREVENT_ENUMERATION = True

# Whether strangers may make an account for themselves; it can do nothing until an administrator gives it a role.
SIGNUP_OPEN = env.bool("SIGNUP_OPEN", default=False)
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*"]
ACCOUNT_SIGNUP_FORM_CLASS = "apps.accounts.entering.signup.NameForm"
INVITATION_DAYS = env.int("INVITATION_DAYS", default=7)

# Letters tell people what was changed about their account.
ACCOUNT_EMAIL_NOTIFICATIONS = True
ACCOUNT_EMAIL_SUBJECT_PREFIX = ""

# Logging in over REST: a browser with its cookie, an app with X-Session-Token.
HEADLESS_CLIENTS = ("browser", "app")
HEADLESS_TOKEN_STRATEGY = "allauth.headless.tokens.strategies.sessions.SessionTokenStrategy"  # noqa: S105 - a class

"""OAuth2 and OpenID Connect: how other systems log in, and their people through them."""

from config.settings.environment import env

# Who signs tokens, as other systems know us: the address of this installation, without a slash at its end. It is said in
# every token, so that tokens of before a change are refused.
OIDC_ISSUER = env.str("OIDC_ISSUER", default=f"http://127.0.0.1:{env.str('PORT', default='') or 8000}")
# Whom access tokens are for.
ACCESS_TOKEN_AUDIENCE = f"{OIDC_ISSUER}/api/"
# What seals the private halves of signing keys: the first seals, each opens. Without one, something made of SECRET_KEY.
SIGNING_KEYS_SECRET = env.list("SIGNING_KEYS_SECRET", default=[])
# A key signs for so long, and what it has signed is believed for so long after that: longer than any token lives, for an
# old ID token still says who wants to log out.
SIGNING_KEY_DAYS = env.int("SIGNING_KEY_DAYS", default=30)
SIGNING_KEY_KEPT_DAYS = env.int("SIGNING_KEY_KEPT_DAYS", default=30)

# Applications. How long a code, a token of access, one that tells who somebody is, and what descends from one login may
# live; so long two windows that renew at once are taken for an honest application; devices ask this often, so long.
OAUTH_CODE_SECONDS = 60
OAUTH_ACCESS_SECONDS = 300
OAUTH_ID_TOKEN_SECONDS = 600
OAUTH_REFRESH_SECONDS = env.int("OAUTH_REFRESH_DAYS", default=30) * 24 * 3600
OAUTH_REFRESH_RACE_SECONDS = 2.0
OAUTH_DEVICE_SECONDS = 600
OAUTH_DEVICE_INTERVAL_SECONDS = 5
# Others may take their own word for our keys so long; a new key is published well before it is used.
JWKS_MAX_AGE_SECONDS = 300
OAUTH2_PROVIDER_APPLICATION_MODEL = "accounts.Application"
OAUTH2_PROVIDER = {
    "OAUTH2_SERVER_CLASS": "apps.accounts.oauth.server.Server",
    "OAUTH2_VALIDATOR_CLASS": "apps.accounts.oauth.validator.Validator",
    "SCOPES_BACKEND_CLASS": "apps.accounts.oauth.scopes.PolicyScopes",
    "OIDC_ENABLED": True,
    "OIDC_ISS_ENDPOINT": OIDC_ISSUER,
    "PKCE_REQUIRED": True,
    "ACCESS_TOKEN_EXPIRE_SECONDS": OAUTH_ACCESS_SECONDS,
    "ID_TOKEN_EXPIRE_SECONDS": OAUTH_ID_TOKEN_SECONDS,
    "AUTHORIZATION_CODE_EXPIRE_SECONDS": OAUTH_CODE_SECONDS,
    "REFRESH_TOKEN_EXPIRE_SECONDS": OAUTH_REFRESH_SECONDS,
    "REFRESH_TOKEN_REUSE_PROTECTION": True,
    "ROTATE_REFRESH_TOKEN": True,
    # Plain http is let in by our own Application for the machine itself only.
    "ALLOWED_REDIRECT_URI_SCHEMES": ["https"],
    "ALLOW_URI_WILDCARDS": False,
    "COMPLIANT_BCP_RFC9700_IMPLICIT_GRANT": True,
    "COMPLIANT_BCP_RFC9700_PASSWORD_GRANT": True,
    "COMPLIANT_BCP_RFC9700_PKCE_METHOD": True,
    "COMPLIANT_BCP_RFC9700_ACCESS_TOKEN_TRANSPORT": True,
    "COMPLIANT_BCP_RFC9700_AUTHZ_RESPONSE_ISS": True,
    "COMPLIANT_BCP_RFC9700_TOKEN_STORAGE": True,
    "COMPLIANT_BCP_RFC9700_REFRESH_TOKEN": True,
    "COMPLIANT_BCP_RFC9700_REDIRECT_URI_SCHEME": True,
    "COMPLIANT_BCP_RFC9700_REDIRECT_URI_MATCHING": True,
    "COMPLIANT_BCP_RFC9700_PKCE_REQUIRED": True,
}

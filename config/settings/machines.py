"""OAuth2 and OpenID Connect: how other systems log in, and their people through them."""

from config.settings.environment import env

# Who signs tokens, as other systems know us: the address of this installation, without a slash at its end. It is said in
# every token, so that tokens of before a change are refused.
OIDC_ISSUER = env.str("OIDC_ISSUER", default=f"http://127.0.0.1:{env.str('PORT', default='') or 8000}")
# Whom access tokens are for.
ACCESS_TOKEN_AUDIENCE = f"{OIDC_ISSUER}/api/"
# What seals the private halves of signing keys: the first seals, each opens. Without one, something made of SECRET_KEY.
SIGNING_KEYS_SECRET = env.list("SIGNING_KEYS_SECRET", default=[])

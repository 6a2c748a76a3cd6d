"""The OAuth2 and OpenID Connect server: what the toolkit and oauthlib ask, answered by our services."""

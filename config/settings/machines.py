"""OAuth2 and OpenID Connect: how other systems log in, and their people through them."""

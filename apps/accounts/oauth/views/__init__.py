"""Addresses of the OAuth2 and OpenID Connect server: they translate, and services decide."""

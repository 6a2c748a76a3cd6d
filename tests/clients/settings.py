"""Settings of the servers that outside clients meet: waits that a test has the time for."""

from config.settings.test import *  # noqa: F403

# Others may keep our keys so long, and a new key is published for twice as long before it signs.
JWKS_MAX_AGE_SECONDS = 2
OAUTH_DEVICE_INTERVAL_SECONDS = 1

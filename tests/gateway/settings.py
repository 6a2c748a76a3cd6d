"""Settings of the tests' server: a limit on bodies that a test can pass without sending a disk full."""

from config.settings.test import *  # noqa: F403

BODY_MAX_BYTES = 1024 * 1024

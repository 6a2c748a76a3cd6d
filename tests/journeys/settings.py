"""Settings of the processes that journeys start: those of all tests, and letters that are put into files."""

from config.settings.environment import env
from config.settings.test import *  # noqa: F403

EMAIL_BACKEND = "apps.common.mail.EmailBackend"
EMAIL_FILE_PATH = env.str("JOURNEY_MAIL", default="")

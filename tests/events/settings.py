"""Settings of the processes that these tests start: those of all tests, and the sample app."""

from config.settings.environment import env
from config.settings.test import *  # noqa: F403
from config.settings.test import INSTALLED_APPS

INSTALLED_APPS = [*INSTALLED_APPS, "tests.events.sample"]
EVENT_RESEND_SECONDS = env.float("EVENT_RESEND_SECONDS", default=1.0)

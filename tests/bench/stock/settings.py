"""Ours with the toolkit's own tables, to measure what most projects do."""

from config.settings.base import *  # noqa: F403
from config.settings.base import INSTALLED_APPS

INSTALLED_APPS = [*dict.fromkeys([*INSTALLED_APPS, "oauth2_provider"])]

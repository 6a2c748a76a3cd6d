"""The people of the page tests, who also go on journeys."""

from tests.pages.conftest import ada, enter

__all__ = ["ada", "enter"]

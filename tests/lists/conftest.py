"""Who changes lists, in every test of them."""

from tests.crm.conftest import admin, anna, boris, deal, lena, team

__all__ = ["admin", "anna", "boris", "deal", "lena", "team"]

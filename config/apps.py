"""Which admin site is the default one; apart from the site, which needs the models."""

from django.contrib.admin.apps import AdminConfig


class ArtelAdminConfig(AdminConfig):
    """Makes our site the default one."""

    default_site = "config.admin.ArtelAdminSite"

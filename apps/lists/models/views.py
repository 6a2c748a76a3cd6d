"""Views of a list: what somebody comes back to of it: which rows, which columns, in which order, how laid out."""

from django.conf import settings
from django.db import models
from django.db.models.functions import Upper
from django.utils.translation import gettext_lazy as _

from apps.accounts.models import Team
from apps.accounts.scoping import Rule, ScopedQuerySet
from apps.common.models import Stamped


class SavedView(Stamped):
    """
    How somebody looks at the rows of a page, kept for themselves or for their team; without a name, what they used last.
    """

    class Layout(models.TextChoices):
        LIST = "LIST", _("list")
        BOARD = "BOARD", _("board")
        CALENDAR = "CALENDAR", _("calendar")
        FORECAST = "FORECAST", _("months")

    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("owner"),
        on_delete=models.CASCADE,
        related_name="+",
        db_index=False,
    )
    # None is nobody's but the owner's.
    team = models.ForeignKey(
        Team,
        verbose_name=_("shared with"),
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
    )
    page = models.CharField(_("page"), max_length=100)
    name = models.CharField(_("name"), max_length=60, blank=True, default="")
    params = models.JSONField(_("filters"), default=dict, blank=True)
    # Names of columns in their order; empty for those that the list shows at first.
    columns = models.JSONField(_("columns"), default=list, db_default=[], blank=True)
    # Names of columns, with a minus where the largest comes first; empty for the list's own order.
    sort = models.JSONField(_("order"), default=list, db_default=[], blank=True)
    layout = models.CharField(
        _("layout"), max_length=8, choices=Layout, default=Layout.LIST, db_default=Layout.LIST
    )
    is_default = models.BooleanField(_("opens first"), default=False)
    position = models.PositiveSmallIntegerField(_("position"), default=0)

    objects = ScopedQuerySet.as_manager()
    access = Rule(owner="owner", team="team")

    class Meta:
        verbose_name = _("saved view")
        verbose_name_plural = _("saved views")
        constraints = [
            models.UniqueConstraint(
                "owner",
                "page",
                Upper("name"),
                name="saved_view_name_unique",
                violation_error_message=_("You have a view of this name already."),
            ),
            models.UniqueConstraint(
                fields=["owner", "page"],
                condition=models.Q(is_default=True),
                name="saved_view_one_default",
                violation_error_message=_("Another view opens first already."),
            ),
        ]

    def __str__(self) -> str:
        return self.name or self.page

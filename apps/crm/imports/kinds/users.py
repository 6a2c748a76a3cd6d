"""Users and their teams: few rows, each made by the services of accounts, so that their rules and facts hold."""

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from apps.accounts.models import Team, User
from apps.accounts.services import ensure_member, ensure_team
from apps.crm.imports.fields import FieldType, ImportField, ImportKind
from apps.crm.imports.loading import Loader, Match
from apps.crm.imports.sql import literal
from apps.crm.models import ImportRow

_LEAD, _AGENT = "sales_lead", "salesperson"


class UserLoader(Loader):
    """
    Puts each person into their manager's team within their office, and the manager at its head.

    A team bears its manager's name. Users without an e-mail address own rows and cannot log in yet.
    """

    def matches(self) -> Mapping[str, Match]:
        seen = self.visible(User, "pk")
        people = f"from accounts_user where kind = 'HUMAN' and id in ({seen})"
        return {
            "email": Match(
                "r.data->>'email'", f"select email, id, version, false {people} and email is not null"
            ),
            # Somebody of this name who has another address is somebody else.
            "name": Match(
                "upper(r.data->>'name')",
                f"select upper(name), id, version, false {people}"
                + (
                    " and (email is null or email in (select r.data->>'email' from crm_importrow r"
                    f" where r.batch_id = {self.batch.pk}))"
                    if "email" in self.mapped
                    else ""
                ),
            ),
        }

    def changes(self) -> list[str]:
        found = [f"not exists ({self._place('t.id', _AGENT)})"]
        if "manager" in self.mapped:
            head = "select 1 from accounts_user h where upper(h.name) = upper(r.data->>'manager') and exists"
            found.append(f"r.data ? 'manager' and not exists ({head} ({self._place('h.id', _LEAD)}))")
        if "email" in self.mapped:
            found.append("r.data ? 'email' and t.email is distinct from r.data->>'email'")
        return found

    def _place(self, user: str, role: str) -> str:
        """Return a query for a user's membership in the row's team."""
        office, manager = self.value("office"), self.value("manager")
        return (
            "select 1 from accounts_membership m join accounts_team g on g.id = m.team_id"
            f" join accounts_role o on o.id = m.role_id and o.key = {literal(role)}"
            " left join accounts_team above on above.id = g.parent_id"
            f" where m.user_id = {user} and g.archived_at is null and g.name = coalesce({manager}, {office})"
            f" and above.name is not distinct from case when {manager} is not null then {office} end"
        )

    def insert(self, first: int, last: int) -> None:
        self._write(first, last, "C")

    def update(self, first: int, last: int) -> None:
        self._write(first, last, "U")

    def _write(self, first: int, last: int, verdict: str) -> None:
        rows = ImportRow.objects.filter(batch=self.batch, line__range=(first, last), verdict=verdict)
        teams: dict[tuple[str | None, str | None], Team] = {}
        for row in rows.order_by("line"):
            user = self._ensure(row.data, teams)
            if row.target_id != user.pk:
                ImportRow.objects.filter(batch=self.batch, line=row.line).update(target_id=user.pk)

    def _ensure(self, data: dict[str, Any], teams: dict[tuple[str | None, str | None], Team]) -> User:
        place = (data.get("office"), data.get("manager"))
        team = teams.get(place)
        if team is None:
            team = teams[place] = ensure_team([name for name in place if name], actor=self.actor)
            if place[1]:
                ensure_member(place[1], email=None, team=team, role_key=_LEAD, actor=self.actor)
        user, _outcome = ensure_member(
            data["name"], email=data.get("email"), team=team, role_key=_AGENT, actor=self.actor
        )
        return user


USERS = ImportKind(
    key="users",
    label=_("users and teams"),
    model=User,
    fields=(
        ImportField(
            "name",
            pgettext_lazy("person", "name"),
            aliases=(
                "sales agent",
                "user",
                "employee",
                "full name",
                "agent",
                "сотрудник",
                "пользователь",
                "фио",
                "имя",
            ),
            required=True,
            max_length=150,
            matches=True,
        ),
        ImportField(
            "email",
            _("e-mail"),
            FieldType.EMAIL,
            aliases=("e-mail", "mail", "login", "почта", "логин"),
            matches=True,
            unique=True,
        ),
        ImportField(
            "manager",
            _("manager"),
            aliases=("team lead", "head", "supervisor", "руководитель", "менеджер"),
            max_length=150,
        ),
        ImportField(
            "office",
            _("office"),
            aliases=(
                "regional office",
                "region",
                "branch",
                "team",
                "department",
                "офис",
                "филиал",
                "отдел",
                "команда",
            ),
            required=True,
            stands_in=("manager",),
            max_length=150,
        ),
    ),
    match_by=("email", "name"),
    loader=UserLoader,
)

"""Who is asking: users, their teams, and what their roles let them do."""

from typing import TYPE_CHECKING, Any, ClassVar
from zoneinfo import available_timezones

from django.conf import settings
from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models.functions import Upper
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from apps.accounts.scoping import Rule, ScopedQuerySet
from apps.common.models import Archivable, Imported, Stamped, Versioned, unique_source

if TYPE_CHECKING:
    from apps.accounts.models.impersonation import ImpersonationSession


def validate_language(code: str) -> None:
    """Refuse a language that the platform does not speak."""
    if code not in dict(settings.LANGUAGES):
        raise ValidationError(_("This language is not available."), code="unknown_language")


def validate_time_zone(name: str) -> None:
    """Refuse a time zone that nobody knows."""
    if name not in available_timezones():
        raise ValidationError(_("There is no such time zone."), code="unknown_time_zone")


class UserManager(BaseUserManager["User"]):
    """Makes users by e-mail address."""

    if TYPE_CHECKING:
        # Django adds it from the queryset, which the types do not follow through a manager with methods.
        def visible_to(self, actor: "User", action: str = "view") -> ScopedQuerySet["User"]: ...

    def create_user(self, email: str | None, password: str | None = None, **fields: Any) -> "User":
        """Make a person who may log in once they have a password; an empty address becomes none."""
        user = self.model(email=self.normalize_email(email).lower() or None, **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str | None = None, **fields: Any) -> "User":
        """Make an administrator who needs no role."""
        return self.create_user(email, password, is_staff=True, is_superuser=True, **fields)

    def get_by_natural_key(self, username: str | None) -> "User":
        return self.get(email=(username or "").lower())

    def system(self) -> "User":
        """Return the user as which the platform itself acts."""
        user, _created = self.get_or_create(
            email="system@artel.invalid",
            defaults={"kind": User.Kind.SERVICE, "name": "Artel", "is_superuser": True, "is_staff": False},
        )
        return user


class User(AbstractBaseUser, Versioned):
    """A person or a program that acts on the platform."""

    class Kind(models.TextChoices):
        HUMAN = "HUMAN", pgettext_lazy("user", "person")
        SERVICE = "SERVICE", _("service")

    # Empty for somebody who was imported with a name only: they own rows and cannot log in yet.
    email = models.EmailField(_("e-mail"), unique=True, null=True, blank=True)
    name = models.CharField(pgettext_lazy("person", "name"), max_length=150)
    kind = models.CharField(_("kind"), max_length=8, choices=Kind, default=Kind.HUMAN)
    locale = models.CharField(
        _("language"), max_length=8, blank=True, default="", validators=[validate_language]
    )
    time_zone = models.CharField(
        _("time zone"), max_length=64, blank=True, default="", validators=[validate_time_zone]
    )
    is_active = models.BooleanField(_("active"), default=True)
    is_staff = models.BooleanField(_("may open the admin"), default=False)
    is_superuser = models.BooleanField(
        _("administrator of everything"),
        default=False,
        help_text=_("Sees and does everything, whatever the roles."),
    )
    # Grows with every change of what the user may do, so that caches of it can be told apart.
    perm_version = models.PositiveIntegerField(default=1, editable=False)
    created_at = models.DateTimeField(_("created"), auto_now_add=True, editable=False)

    # The API key that they came with, and what it (or a token) is for; None where they came in person. Said by the face.
    key_id: int | None = None
    key_scopes: frozenset[str] | None = None
    # Set on who somebody else acts as, for as long as they do. Said by the face.
    impersonation: "ImpersonationSession | None" = None
    # What the access token says that they came with, if it was one.
    claims: dict[str, Any] | None = None

    objects: ClassVar[UserManager] = UserManager.from_queryset(ScopedQuerySet)()
    access = Rule(owner="pk", team="memberships__team")

    USERNAME_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = ["name"]

    class Meta:
        verbose_name = _("user")
        verbose_name_plural = _("users")
        permissions = [("impersonate_user", _("Can act as users"))]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(email__isnull=True) | ~models.Q(email=""), name="user_email_null_or_filled"
            ),
        ]
        indexes = [models.Index(Upper("name"), name="user_name_upper")]

    def __str__(self) -> str:
        return self.name or self.email or str(self.pk)

    def get_full_name(self) -> str:
        return self.name

    def get_short_name(self) -> str:
        return self.name.split(" ")[0]

    def clean(self) -> None:
        super().clean()
        self.email = (self.email or "").lower() or None

    def has_perm(self, perm: str, obj: models.Model | None = None) -> bool:
        """Tell whether a role grants `perm` ("app.action_model"), and reaches `obj` where one is given."""
        from apps.accounts import access  # noqa: PLC0415 - the policy reads these models

        return access.has_perm(self, perm, obj)

    def has_perms(self, perms: list[str], obj: models.Model | None = None) -> bool:
        return all(self.has_perm(perm, obj) for perm in perms)

    def has_module_perms(self, app_label: str) -> bool:
        from apps.accounts import access  # noqa: PLC0415 - the policy reads these models

        return access.has_module_perms(self, app_label)


class Team(Stamped, Versioned, Archivable, Imported):
    """People who work together; teams form a tree, as offices and groups do."""

    name = models.CharField(_("name"), max_length=150)
    parent = models.ForeignKey(
        "self",
        verbose_name=_("part of"),
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="children",
    )
    # The ids from the root down to this team, "/1/5/9/": a subtree is a prefix. Kept by a database trigger.
    path = models.CharField(max_length=255, editable=False, default="", db_index=False)

    objects = ScopedQuerySet.as_manager()
    access = Rule(team="pk")

    class Meta:
        verbose_name = _("team")
        verbose_name_plural = _("teams")
        constraints = [
            models.UniqueConstraint(
                fields=["parent", "name"],
                name="team_parent_name_unique",
                nulls_distinct=False,
                violation_error_message=_("There is a team of this name here already."),
            ),
            unique_source("team"),
        ]
        indexes = [models.Index(fields=["path"], name="team_path_prefix", opclasses=["varchar_pattern_ops"])]

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        super().clean()
        if self.pk and self.parent is not None and f"/{self.pk}/" in self.parent.path:
            error = ValidationError(_("A team cannot be part of itself."), code="team_cycle")
            raise ValidationError({"parent": error})


class Role(Stamped, Versioned):
    """A named set of grants that a membership carries."""

    name = models.CharField(_("name"), max_length=100, unique=True)
    # Set for the roles that come with the platform, under the name that code and imports know.
    key = models.SlugField(_("key"), max_length=50, null=True, blank=True, unique=True, editable=False)
    description = models.TextField(_("description"), blank=True, default="")
    requires_mfa = models.BooleanField(
        _("requires a second factor"),
        default=False,
        db_default=False,
        help_text=_(
            "Who has this role anywhere sets up an authenticator app or a passkey before anything else."
        ),
    )
    # Permissions that the platform has granted by itself: what administrators took away is not granted again.
    offered = models.JSONField(default=list, editable=False)

    objects = ScopedQuerySet.as_manager()
    access = Rule(shared=True)

    class Meta:
        verbose_name = _("role")
        verbose_name_plural = _("roles")

    def __str__(self) -> str:
        return self.name


class RoleGrant(models.Model):
    """One permission of a role, and how far it reaches."""

    class Reach(models.TextChoices):
        OWN = "OWN", _("own rows")
        TEAM = "TEAM", _("rows of the team")
        SUBTREE = "SUBTREE", _("rows of the team and the teams below it")
        ALL = "ALL", _("all rows")

    role = models.ForeignKey(Role, verbose_name=_("role"), on_delete=models.CASCADE, related_name="grants")
    permission = models.CharField(_("permission"), max_length=100)
    reach = models.CharField(_("reach"), max_length=8, choices=Reach, default=Reach.OWN)

    objects = ScopedQuerySet.as_manager()
    access = Rule(via=("role",))

    class Meta:
        verbose_name = _("grant")
        verbose_name_plural = _("grants")
        constraints = [
            models.UniqueConstraint(fields=["role", "permission"], name="role_grant_unique"),
        ]

    def __str__(self) -> str:
        return f"{self.permission} · {self.get_reach_display()}"


class Membership(Stamped):
    """A user's place in a team, and the role they play there."""

    user = models.ForeignKey(
        User, verbose_name=_("user"), on_delete=models.CASCADE, related_name="memberships"
    )
    team = models.ForeignKey(
        Team, verbose_name=_("team"), on_delete=models.PROTECT, related_name="memberships"
    )
    role = models.ForeignKey(
        Role, verbose_name=_("role"), on_delete=models.PROTECT, related_name="memberships"
    )

    objects = ScopedQuerySet.as_manager()
    access = Rule(owner="user", team="team")

    class Meta:
        verbose_name = _("membership")
        verbose_name_plural = _("memberships")
        constraints = [
            models.UniqueConstraint(
                fields=["user", "team", "role"],
                name="membership_unique",
                violation_error_message=_("They have this role in this team already."),
            )
        ]

    def __str__(self) -> str:
        return f"{self.user} · {self.team} · {self.role}"

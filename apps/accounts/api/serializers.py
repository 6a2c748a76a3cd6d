"""What the API shows and takes of users, teams and roles."""

from typing import Any

from django.utils import timezone
from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from apps.accounts.faces.api import ScopedModelSerializer, ScopedPrimaryKeyRelatedField
from apps.accounts.models import (
    AccessGrant,
    ApiKey,
    AuthEvent,
    Invitation,
    Membership,
    Role,
    RoleGrant,
    Team,
    User,
)
from apps.accounts.telling import sentence_of


class UserSerializer(ScopedModelSerializer[User]):
    """A user as colleagues see them."""

    class Meta:
        model = User
        fields = [
            "id",
            "email",
            "name",
            "kind",
            "locale",
            "time_zone",
            "is_active",
            "is_staff",
            "created_at",
            "version",
        ]
        read_only_fields = ["id", "kind", "is_active", "created_at", "version"]


class NewUserSerializer(serializers.Serializer[Any]):
    """What it takes to make a user."""

    name = serializers.CharField(max_length=150)
    email = serializers.EmailField(allow_null=True, required=False, default=None)
    team = ScopedPrimaryKeyRelatedField(queryset=Team.objects.all())
    role = ScopedPrimaryKeyRelatedField(queryset=Role.objects.all())
    password = serializers.CharField(write_only=True, required=False, default=None, allow_null=True)


class TeamSerializer(ScopedModelSerializer[Team]):
    """A team and its place in the tree."""

    class Meta:
        model = Team
        fields = ["id", "name", "parent", "path", "archived_at", "created_at", "updated_at", "version"]
        read_only_fields = ["id", "path", "archived_at", "created_at", "updated_at", "version"]
        # The database's own words say it better.
        validators: list[Any] = []


class GrantSerializer(serializers.ModelSerializer[RoleGrant]):
    """One permission of a role, and how far it reaches."""

    class Meta:
        model = RoleGrant
        fields = ["permission", "reach"]


class RoleSerializer(ScopedModelSerializer[Role]):
    """A role and what it grants."""

    grants = GrantSerializer(many=True, read_only=True)

    class Meta:
        model = Role
        fields = ["id", "key", "name", "description", "requires_mfa", "grants", "version"]
        read_only_fields = fields


class RoleInputSerializer(serializers.Serializer[Any]):
    """
    What a role is called, and the reach of each permission that it grants: all of them, as what is left out is taken.
    """

    name = serializers.CharField(max_length=100, required=False)
    description = serializers.CharField(max_length=2000, allow_blank=True, required=False)
    requires_mfa = serializers.BooleanField(required=False)
    grants = GrantSerializer(many=True, required=False)

    def validate_grants(self, grants: list[dict[str, str]]) -> list[dict[str, str]]:
        # A part of a role does not make its grants partial.
        if any({"permission", "reach"} - grant.keys() for grant in grants):
            raise serializers.ValidationError(_("A grant is a permission and its reach."), code="required")
        names = [grant["permission"] for grant in grants]
        if len(set(names)) != len(names):
            raise serializers.ValidationError(_("A permission is granted once."), code="repeated")
        return grants


class NewRoleSerializer(RoleInputSerializer):
    """What it takes to make a role."""

    name = serializers.CharField(max_length=100)


class MembershipSerializer(ScopedModelSerializer[Membership]):
    """A user's place in a team, and the role they play there."""

    class Meta:
        model = Membership
        fields = ["id", "user", "team", "role", "created_at"]
        read_only_fields = ["id", "created_at"]
        validators: list[Any] = []


class ApiKeySerializer(ScopedModelSerializer[ApiKey]):
    """A key by which programs act for its owner; its secret was told once."""

    class Meta:
        model = ApiKey
        fields = [
            *["id", "owner", "name", "prefix", "scopes", "created_at", "expires_at", "last_used_at"],
            "revoked_at",
        ]
        read_only_fields = fields


class NewApiKeySerializer(serializers.Serializer[Any]):
    """
    A key to make. A scope is "all" (whatever its owner may), "read" (whatever they may see), or a permission as in
    "crm.win_deal".
    """

    name = serializers.CharField(max_length=100)
    scopes = serializers.ListField(child=serializers.CharField(max_length=100), min_length=1, max_length=500)
    expires_at = serializers.DateTimeField(required=False, allow_null=True, default=None)


class RotateSerializer(serializers.Serializer[Any]):
    """How long the old key goes on, in seconds; a day unless said otherwise, 30 days at most."""

    overlap = serializers.IntegerField(required=False, min_value=0, max_value=30 * 24 * 3600)


class MadeApiKeySerializer(ApiKeySerializer):
    """A key just made, with its secret, which is not told again."""

    secret = serializers.CharField(read_only=True)

    class Meta(ApiKeySerializer.Meta):
        fields = [*ApiKeySerializer.Meta.fields, "secret"]
        read_only_fields = fields


class InvitationSerializer(ScopedModelSerializer[Invitation]):
    """Somebody who was asked to join; the link was sent to them alone."""

    state = serializers.SerializerMethodField()

    class Meta:
        model = Invitation
        fields = [
            *[
                "id",
                "email",
                "name",
                "locale",
                "team",
                "role",
                "invited_by",
                "state",
                "created_at",
                "sent_at",
            ],
            *["expires_at", "accepted_at", "revoked_at", "user"],
        ]
        read_only_fields = [
            name for name in fields if name not in {"email", "name", "locale", "team", "role"}
        ]
        validators: list[Any] = []

    @extend_schema_field(serializers.ChoiceField(choices=Invitation.State.choices))
    def get_state(self, invitation: Invitation) -> str:
        return invitation.state_at(timezone.now()).value


class AuthEventSerializer(ScopedModelSerializer[AuthEvent]):
    """A fact about access, as a sentence and in its parts."""

    sentence = serializers.SerializerMethodField()
    # Who was erased is a number, and who is out of sight one too: no row is looked up by these.
    user = serializers.IntegerField(source="user_id", allow_null=True)
    actor = serializers.IntegerField(source="actor_id", allow_null=True)
    impersonator = serializers.IntegerField(source="impersonator_id", allow_null=True)

    class Meta:
        model = AuthEvent
        fields = [
            *["id", "at", "kind", "sentence", "user", "actor", "impersonator", "address", "agent"],
            *["request_id", "data", "position", "previous", "hash"],
        ]
        read_only_fields = fields

    @extend_schema_field(serializers.CharField())
    def get_sentence(self, event: AuthEvent) -> str:
        return sentence_of(event)


class AccessGrantSerializer(ScopedModelSerializer[AccessGrant]):
    """One row that somebody may see, or do more with, for a while."""

    model = serializers.CharField(
        source="row_label", read_only=True, help_text="The kind of row, as crm.deal."
    )
    row_id = serializers.IntegerField(source="object_id", read_only=True)

    class Meta:
        model = AccessGrant
        fields = [
            *["id", "user", "model", "row_id", "actions", "reason", "granted_by", "created_at", "expires_at"],
            "revoked_at",
        ]
        read_only_fields = fields


class NewAccessGrantSerializer(serializers.Serializer[Any]):
    """A row to share. Seeing is always among the actions; others are named as in permissions: "change", "win"."""

    user = ScopedPrimaryKeyRelatedField(queryset=User.objects.all())
    model = serializers.CharField(max_length=100, help_text="The kind of row, as crm.deal.")
    row_id = serializers.IntegerField(min_value=1, max_value=2**63 - 1)
    actions = serializers.ListField(child=serializers.CharField(max_length=50), max_length=50, default=list)
    reason = serializers.CharField(max_length=300)
    expires_at = serializers.DateTimeField()


class ExtendSerializer(serializers.Serializer[Any]):
    """When something shared ends."""

    expires_at = serializers.DateTimeField()


class QuestionSerializer(serializers.Serializer[Any]):
    """Whether somebody may do something to a row."""

    model = serializers.CharField(max_length=100, help_text="The kind of row, as crm.deal.")
    row_id = serializers.IntegerField(min_value=1, max_value=2**63 - 1)
    action = serializers.CharField(
        max_length=50, default="view", help_text="As permissions name it: view, win."
    )


class AnswerSerializer(serializers.Serializer[Any]):
    """Whether they may, and why or why not, in the caller's language."""

    allowed = serializers.BooleanField()
    reasons = serializers.ListField(child=serializers.CharField())

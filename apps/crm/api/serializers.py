"""What the API shows and takes of the sales side."""

from typing import Any, ClassVar

from rest_framework import serializers

from apps.accounts.faces.api import JudgedByService, ScopedModelSerializer, ScopedPrimaryKeyRelatedField
from apps.accounts.models import User
from apps.crm.api.custom import CustomValuesField
from apps.crm.api.fields import MoneyField
from apps.crm.models import (
    Company,
    ContactPoint,
    Deal,
    DealLine,
    Employment,
    LostReason,
    Person,
    Pipeline,
    PriceBook,
    Product,
    Stage,
    StageTransition,
    Tag,
)
from apps.lists.api import rows

_STATE = ["archived_at", "created_at", "updated_at", "version"]


# References that may be empty, whose value alone does not tell that they are references.
RELATIONS = frozenset({"company", "person", "owner", "team", "parent"})


def service_values(data: dict[str, Any]) -> dict[str, Any]:
    """Return validated data as services take them: relations by id."""
    return rows.service_values(data, RELATIONS)


class ContactPointSerializer(serializers.ModelSerializer[ContactPoint]):
    """A way to reach somebody: as it was written, and in the form that compares."""

    class Meta:
        model = ContactPoint
        fields = ["id", "kind", "raw", "value", "is_primary"]
        read_only_fields = ["id", "value"]
        validators: ClassVar[list[Any]] = []


class CompanySerializer(ScopedModelSerializer[Company]):
    """A company with its contacts."""

    contact_points = ContactPointSerializer(many=True, read_only=True, source="active_contact_points")
    custom = CustomValuesField(Company)

    class Meta:
        model = Company
        fields = [
            *["id", "name", "legal_name", "tax_id", "domain", "industry", "country", "city", "founded_year"],
            *["employee_count", "annual_revenue", "parent", "description", "owner", "team", "tags"],
            *["contact_points", "custom", *_STATE],
        ]
        read_only_fields = ["id", *_STATE]
        # The services and the database say it, under one code whatever the face.
        validators: ClassVar[list[Any]] = []


class NewCompanySerializer(CompanySerializer):
    """A company to make, with its contacts."""

    contact_points = ContactPointSerializer(many=True, required=False)


class EmploymentSerializer(ScopedModelSerializer[Employment]):
    """Where somebody works."""

    company_name = serializers.CharField(source="company.name", read_only=True)

    class Meta:
        model = Employment
        fields = ["id", "company", "company_name", "title", "is_primary"]
        validators: ClassVar[list[Any]] = []


class PersonSerializer(ScopedModelSerializer[Person]):
    """A person with their contacts and where they work."""

    contact_points = ContactPointSerializer(many=True, read_only=True, source="active_contact_points")
    employments = EmploymentSerializer(many=True, read_only=True)
    custom = CustomValuesField(Person)

    class Meta:
        model = Person
        fields = [
            *["id", "given_name", "middle_name", "family_name", "full_name", "job_title", "locale"],
            *["description", "owner", "team", "tags", "contact_points", "employments", "custom"],
            *_STATE,
        ]
        read_only_fields = ["id", "full_name", *_STATE]
        validators: ClassVar[list[Any]] = []


class NewPersonSerializer(PersonSerializer):
    """A person to make, with their contacts and where they work in the first place."""

    contact_points = ContactPointSerializer(many=True, required=False)
    company = ScopedPrimaryKeyRelatedField(
        queryset=Company.objects.all(), required=False, allow_null=True, write_only=True
    )

    class Meta(PersonSerializer.Meta):
        fields = [*PersonSerializer.Meta.fields, "company"]


class ProductSerializer(ScopedModelSerializer[Product]):
    """Something that is sold."""

    price = MoneyField("price")

    class Meta:
        model = Product
        fields = ["id", "name", "sku", "family", "price", "unit", "tax_rate", *_STATE]
        read_only_fields = ["id", *_STATE]
        validators: ClassVar[list[Any]] = []


class TagSerializer(ScopedModelSerializer[Tag]):
    """A word that rows are marked with."""

    class Meta:
        model = Tag
        fields = ["id", "name", "color"]
        validators: ClassVar[list[Any]] = []


class LostReasonSerializer(ScopedModelSerializer[LostReason]):
    """Why deals are lost."""

    name = serializers.CharField(max_length=100)

    class Meta:
        model = LostReason
        fields = ["id", "name", "is_active", "is_unknown"]
        read_only_fields = ["id", "is_unknown"]


class CriterionSerializer(serializers.Serializer[Any]):
    """One thing that a stage asks for before a deal leaves it."""

    key = serializers.CharField(max_length=32, required=False)
    kind = serializers.CharField(max_length=32)
    params = serializers.DictField(child=serializers.CharField(max_length=100), required=False, default=dict)


class StageSerializer(ScopedModelSerializer[Stage]):
    """One step of a pipeline, with its contract."""

    exit_criteria = CriterionSerializer(many=True, required=False)

    class Meta:
        model = Stage
        fields = [
            *["id", "pipeline", "name", "kind", "position", "probability", "stale_after_days"],
            *["exit_criteria", "criteria_version"],
        ]
        read_only_fields = ["id", "position", "criteria_version"]
        validators: ClassVar[list[Any]] = []


class ChangeStageSerializer(StageSerializer):
    """A stage stays in its pipeline."""

    class Meta(StageSerializer.Meta):
        read_only_fields = ["id", "position", "criteria_version", "pipeline"]


class PipelineSerializer(ScopedModelSerializer[Pipeline]):
    """A sequence of stages."""

    stages = StageSerializer(many=True, read_only=True, source="ordered_stages")

    class Meta:
        model = Pipeline
        fields = ["id", "name", "is_default", "stages", *_STATE]
        read_only_fields = ["id", *_STATE]
        validators: ClassVar[list[Any]] = []


class StageOrderSerializer(serializers.Serializer[Any]):
    """All stages of a pipeline, in the order wanted."""

    stage_ids = serializers.ListField(child=serializers.IntegerField(), max_length=1000)


class DealLineSerializer(ScopedModelSerializer[DealLine]):
    """A line of a deal. A new one without a price takes that of the price book, or the product's list price."""

    product_name = serializers.CharField(source="product.name", read_only=True, allow_null=True, default=None)

    class Meta:
        model = DealLine
        fields = [
            *["id", "deal", "product", "product_name", "description", "quantity", "unit", "unit_price"],
            *["discount_percent", "tax_rate", "is_tax_included", "price_source", "position"],
        ]
        read_only_fields = ["id", "price_source", "position"]
        validators: ClassVar[list[Any]] = []


class NewDealLineSerializer(DealLineSerializer):
    """A line to add; prices are looked up in the usual price book unless another is named."""

    price_book = ScopedPrimaryKeyRelatedField(
        queryset=PriceBook.objects.all(), required=False, allow_null=True, write_only=True
    )

    class Meta(DealLineSerializer.Meta):
        fields = [*DealLineSerializer.Meta.fields, "price_book"]


class ChangeDealLineSerializer(DealLineSerializer):
    """A line stays in its deal."""

    class Meta(DealLineSerializer.Meta):
        read_only_fields = ["id", "deal", "price_source"]


class DealSerializer(ScopedModelSerializer[Deal]):
    """A deal. Where it stands is changed by its actions: move, win, lose, reopen and so on."""

    amount = MoneyField()
    custom = CustomValuesField(Deal)
    stage_name = serializers.CharField(source="stage.name", read_only=True)
    company_name = serializers.CharField(source="company.name", read_only=True, allow_null=True, default=None)
    person_name = serializers.CharField(
        source="person.full_name", read_only=True, allow_null=True, default=None
    )
    owner_name = serializers.CharField(source="owner.name", read_only=True)
    probability = serializers.IntegerField(
        min_value=0, max_value=100, required=False, allow_null=True, help_text="Null is the stage's own."
    )

    class Meta:
        model = Deal
        fields = [
            *[
                "id",
                "number",
                "title",
                "status",
                "pipeline",
                "stage",
                "stage_name",
                "company",
                "company_name",
            ],
            *["person", "person_name", "owner", "owner_name", "team", "amount", "amount_mode", "currency"],
            *["probability"],
            *["opened_date", "expected_close_date", "closed_at", "lost_reason", "lost_note", "next_step"],
            *["next_step_date", "stage_entered_at", "description", "tags", "custom"],
            *_STATE,
        ]
        read_only_fields = [
            *["id", "number", "status", "pipeline", "stage", "owner", "team", "currency", "closed_at"],
            *["lost_reason", "lost_note", "stage_entered_at", "amount_mode", *_STATE],
        ]
        validators: ClassVar[list[Any]] = []


class NewDealSerializer(DealSerializer):
    """A deal to open; the stage is the first open one, the owner whoever asks, unless others are named."""

    stage = JudgedByService(queryset=Stage.objects.all(), required=False)
    company = JudgedByService(queryset=Company.objects.all(), required=False, allow_null=True)
    person = JudgedByService(queryset=Person.objects.all(), required=False, allow_null=True)
    owner = ScopedPrimaryKeyRelatedField(queryset=User.objects.all(), required=False)

    class Meta(DealSerializer.Meta):
        read_only_fields = [
            name for name in DealSerializer.Meta.read_only_fields if name not in {"stage", "owner"}
        ]


class MoveSerializer(serializers.Serializer[Any]):
    """Where to."""

    stage = ScopedPrimaryKeyRelatedField(queryset=Stage.objects.all())
    reason = serializers.CharField(max_length=500, required=False, allow_blank=True)


class WinSerializer(serializers.Serializer[Any]):
    """Nothing is needed to win."""

    reason = serializers.CharField(max_length=500, required=False, allow_blank=True)


class LoseSerializer(serializers.Serializer[Any]):
    """Why it is lost."""

    reason = ScopedPrimaryKeyRelatedField(queryset=LostReason.objects.all())
    note = serializers.CharField(max_length=500, required=False, allow_blank=True)


class ReopenSerializer(serializers.Serializer[Any]):
    """Why it is opened again."""

    reason = serializers.CharField(max_length=500)


class AssignSerializer(serializers.Serializer[Any]):
    """Whose it becomes; the team is the new owner's first unless another is named."""

    owner = ScopedPrimaryKeyRelatedField(queryset=User.objects.all())


class TransitionSerializer(serializers.ModelSerializer[StageTransition]):
    """One step a deal took."""

    from_stage_name = serializers.CharField(
        source="from_stage.name", read_only=True, allow_null=True, default=None
    )
    to_stage_name = serializers.CharField(source="to_stage.name", read_only=True)
    actor_name = serializers.CharField(source="actor.name", read_only=True)
    amount = serializers.DecimalField(max_digits=18, decimal_places=2, read_only=True, allow_null=True)

    class Meta:
        model = StageTransition
        fields = [
            *["id", "deal", "from_stage", "from_stage_name", "to_stage", "to_stage_name", "at", "actor"],
            *["actor_name", "face", "reason", "seconds_in_stage", "amount"],
        ]
        read_only_fields = fields


class HeldContactSerializer(ScopedModelSerializer[ContactPoint]):
    """A contact and whose it is: a person's or a company's."""

    class Meta:
        model = ContactPoint
        fields = ["id", "person", "company", "kind", "raw", "value", "is_primary", "archived_at"]
        read_only_fields = ["id", "value", "archived_at"]
        validators: ClassVar[list[Any]] = []


class ChangeContactSerializer(HeldContactSerializer):
    """A contact stays with whom it belongs to."""

    class Meta(HeldContactSerializer.Meta):
        read_only_fields = ["id", "value", "archived_at", "person", "company"]


class NewEmploymentSerializer(EmploymentSerializer):
    """Where somebody works."""

    class Meta(EmploymentSerializer.Meta):
        fields = [*EmploymentSerializer.Meta.fields, "person"]

"""Approvals, and acceptance by people outside, whose record is chained and guarded by the database itself."""

import apps.accounts.models.people
import django.core.validators
import django.db.models.deletion
import django.db.models.functions.text
from django.conf import settings
from django.db import migrations, models

# The text that is hashed: each value with its length in bytes in front, "-" where there is none, so that no two rows
# share a text. Whoever verifies builds it anew without asking this function.
TEXT = """
create function documents_signature_event_hash(event documents_signatureevent) returns text language sql stable as $$
    select encode(sha256(convert_to(event.previous || string_agg(
        coalesce(octet_length(convert_to(value, 'UTF8')) || ':' || value, '-'), ',' order by at
    ), 'UTF8')), 'hex')
    from unnest(array[
        event.id::text,
        event.request_id::text,
        event.position::text,
        to_char(event.at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US'),
        event.kind,
        event.recipient_id::text,
        host(event.address),
        event.agent,
        event.digest,
        event.data::text
    ]) with ordinality as field (value, at)
$$;
"""
TEXT_BACK = "drop function documents_signature_event_hash(documents_signatureevent);"

# An event gets its place when it is written: the chain is its request's own, whose lock whoever writes holds anyway.
CHAIN = """
create function documents_signature_event_chain() returns trigger language plpgsql as $$
declare
    head documents_signaturehead;
begin
    if new.position is not null or new.previous <> '' or new.hash <> '' then
        raise exception 'the database gives a signature event its place' using errcode = 'check_violation',
            constraint = 'signature_event_append_only', table = 'documents_signatureevent';
    end if;
    insert into documents_signaturehead (request_id, count, hash) values (new.request_id, 0, '')
        on conflict do nothing;
    select * into strict head from documents_signaturehead where request_id = new.request_id for no key update;
    new.position := head.count + 1;
    new.previous := head.hash;
    new.hash := documents_signature_event_hash(new);
    update documents_signaturehead set count = new.position, hash = new.hash where request_id = new.request_id;
    return new;
end $$;
create trigger signature_event_chain before insert on documents_signatureevent
    for each row execute function documents_signature_event_chain();
alter table documents_signatureevent enable always trigger signature_event_chain;
"""
CHAIN_BACK = """
drop trigger signature_event_chain on documents_signatureevent;
drop function documents_signature_event_chain();
"""

# Nothing is changed; what goes, goes with its document, which is judged at commit. An owner of the tables can turn
# triggers off; these stay on for restores and replication roles too, and whoever verifies sees whether they are on.
GUARD = """
create function documents_signature_event_guard() returns trigger language plpgsql as $$
begin
    raise exception 'signature events are only ever added' using errcode = 'check_violation',
        constraint = 'signature_event_append_only', table = tg_table_name;
end $$;
create function documents_signature_head_guard() returns trigger language plpgsql as $$
begin
    if pg_trigger_depth() > 1 then
        return new;
    end if;
    raise exception 'the head of the signature events follows them' using errcode = 'check_violation',
        constraint = 'signature_event_append_only', table = tg_table_name;
end $$;
create function documents_signature_part_kept() returns trigger language plpgsql as $$
begin
    if exists (select 1 from documents_signaturerequest where id = old.request_id) then
        raise exception 'what belongs to a signature request goes only with it' using errcode = 'check_violation',
            constraint = 'signature_event_append_only', table = tg_table_name;
    end if;
    return null;
end $$;
create function documents_signature_request_kept() returns trigger language plpgsql as $$
begin
    if exists (select 1 from documents_document where id = old.document_id) then
        raise exception 'a signature request goes only with its document' using errcode = 'check_violation',
            constraint = 'signature_event_append_only', table = tg_table_name;
    end if;
    return null;
end $$;

create trigger signature_event_guard before update on documents_signatureevent
    for each row execute function documents_signature_event_guard();
create trigger signature_event_guard_all before truncate on documents_signatureevent
    for each statement execute function documents_signature_event_guard();
create constraint trigger signature_event_kept after delete on documents_signatureevent
    deferrable initially deferred for each row execute function documents_signature_part_kept();
create trigger signature_head_guard before insert or update on documents_signaturehead
    for each row execute function documents_signature_head_guard();
create trigger signature_head_guard_all before truncate on documents_signaturehead
    for each statement execute function documents_signature_event_guard();
create constraint trigger signature_head_kept after delete on documents_signaturehead
    deferrable initially deferred for each row execute function documents_signature_part_kept();
create constraint trigger signature_recipient_kept after delete on documents_signaturerecipient
    deferrable initially deferred for each row execute function documents_signature_part_kept();
create constraint trigger signature_request_kept after delete on documents_signaturerequest
    deferrable initially deferred for each row execute function documents_signature_request_kept();

alter table documents_signatureevent enable always trigger signature_event_guard;
alter table documents_signatureevent enable always trigger signature_event_guard_all;
alter table documents_signatureevent enable always trigger signature_event_kept;
alter table documents_signaturehead enable always trigger signature_head_guard;
alter table documents_signaturehead enable always trigger signature_head_guard_all;
alter table documents_signaturehead enable always trigger signature_head_kept;
alter table documents_signaturerecipient enable always trigger signature_recipient_kept;
alter table documents_signaturerequest enable always trigger signature_request_kept;
"""
GUARD_BACK = """
drop trigger signature_request_kept on documents_signaturerequest;
drop trigger signature_recipient_kept on documents_signaturerecipient;
drop trigger signature_head_kept on documents_signaturehead;
drop trigger signature_head_guard_all on documents_signaturehead;
drop trigger signature_head_guard on documents_signaturehead;
drop trigger signature_event_kept on documents_signatureevent;
drop trigger signature_event_guard_all on documents_signatureevent;
drop trigger signature_event_guard on documents_signatureevent;
drop function documents_signature_request_kept();
drop function documents_signature_part_kept();
drop function documents_signature_head_guard();
drop function documents_signature_event_guard();
"""

# What was sent out stays what was sent out, an answer stays an answer, and nothing that has ended begins again.
SETTLED = """
create function documents_refuse_signature_change() returns trigger language plpgsql as $$
begin
    raise exception 'an answer to a signature request is final' using errcode = 'check_violation',
        constraint = 'signature_settled', table = tg_table_name;
end $$;
create trigger signature_request_settled before update on documents_signaturerequest
    for each row when (
        (new.document_id, new.document_version_id, new.digest)
            is distinct from (old.document_id, old.document_version_id, old.digest)
        or (old.state <> 'OPEN' and (new.state, new.closed_at) is distinct from (old.state, old.closed_at))
    ) execute function documents_refuse_signature_change();
create trigger signature_recipient_settled before update on documents_signaturerecipient
    for each row when (
        new.request_id is distinct from old.request_id
        or (
            old.state in ('ACCEPTED', 'DECLINED')
            and (new.state, new.decided_at, new.name, new.email, new.reason)
                is distinct from (old.state, old.decided_at, old.name, old.email, old.reason)
        )
    ) execute function documents_refuse_signature_change();
alter table documents_signaturerequest enable always trigger signature_request_settled;
alter table documents_signaturerecipient enable always trigger signature_recipient_settled;
"""
SETTLED_BACK = """
drop trigger signature_recipient_settled on documents_signaturerecipient;
drop trigger signature_request_settled on documents_signaturerequest;
drop function documents_refuse_signature_change();
"""


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0009_access_grants_and_impersonation"),
        ("documents", "0005_templates"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="SignatureRequest",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("created_at", models.DateTimeField(auto_now_add=True, verbose_name="created")),
                ("updated_at", models.DateTimeField(auto_now=True, verbose_name="changed")),
                ("version", models.PositiveIntegerField(default=1, editable=False, verbose_name="version")),
                ("digest", models.CharField(editable=False, max_length=64, verbose_name="SHA-256")),
                (
                    "message",
                    models.TextField(blank=True, default="", max_length=2000, verbose_name="message"),
                ),
                (
                    "locale",
                    models.CharField(
                        blank=True,
                        default="",
                        max_length=8,
                        validators=[apps.accounts.models.people.validate_language],
                        verbose_name="language",
                    ),
                ),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("OPEN", "waits for answers"),
                            ("COMPLETED", "accepted by all"),
                            ("DECLINED", "declined"),
                            ("CANCELLED", "cancelled"),
                            ("EXPIRED", "expired"),
                        ],
                        default="OPEN",
                        max_length=16,
                        verbose_name="state",
                    ),
                ),
                ("expires_at", models.DateTimeField(verbose_name="until")),
                ("closed_at", models.DateTimeField(blank=True, null=True, verbose_name="ended")),
                ("reason", models.TextField(blank=True, default="", max_length=2000, verbose_name="reason")),
                (
                    "created_by",
                    models.ForeignKey(
                        blank=True,
                        db_index=False,
                        editable=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="created by",
                    ),
                ),
                (
                    "document",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="signature_requests",
                        to="documents.document",
                        verbose_name="document",
                    ),
                ),
                (
                    "document_version",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="signature_requests",
                        to="documents.documentversion",
                        verbose_name="version of the document",
                    ),
                ),
                (
                    "evidence",
                    models.ForeignKey(
                        blank=True,
                        db_index=False,
                        editable=False,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to="documents.document",
                        verbose_name="evidence",
                    ),
                ),
                (
                    "updated_by",
                    models.ForeignKey(
                        blank=True,
                        db_index=False,
                        editable=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="changed by",
                    ),
                ),
            ],
            options={
                "verbose_name": "signature request",
                "verbose_name_plural": "signature requests",
                "default_permissions": ("view", "add", "change"),
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("state", "OPEN")),
                        fields=("document",),
                        name="signature_request_open_once",
                        violation_error_message="This document is out to be signed already.",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("closed_at", None), ("state", "OPEN")),
                            models.Q(
                                models.Q(("state", "OPEN"), _negated=True), ("closed_at__isnull", False)
                            ),
                            _connector="OR",
                        ),
                        name="signature_request_closed_or_open",
                    ),
                ],
                "indexes": [
                    models.Index(
                        condition=models.Q(("state", "OPEN")),
                        fields=["expires_at"],
                        name="signature_request_open_until",
                    ),
                    models.Index(
                        condition=models.Q(("evidence", None), ("state", "COMPLETED")),
                        fields=["closed_at"],
                        name="signature_without_evidence",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="ApprovalRoute",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("created_at", models.DateTimeField(auto_now_add=True, verbose_name="created")),
                ("updated_at", models.DateTimeField(auto_now=True, verbose_name="changed")),
                ("version", models.PositiveIntegerField(default=1, editable=False, verbose_name="version")),
                (
                    "archived_at",
                    models.DateTimeField(blank=True, editable=False, null=True, verbose_name="archived"),
                ),
                ("name", models.CharField(max_length=100, verbose_name="name")),
                (
                    "created_by",
                    models.ForeignKey(
                        blank=True,
                        db_index=False,
                        editable=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="created by",
                    ),
                ),
                (
                    "type",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="approval_routes",
                        to="documents.documenttype",
                        verbose_name="type",
                    ),
                ),
                (
                    "updated_by",
                    models.ForeignKey(
                        blank=True,
                        db_index=False,
                        editable=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="changed by",
                    ),
                ),
            ],
            options={
                "verbose_name": "way of approval",
                "verbose_name_plural": "ways of approval",
                "permissions": [("archive_approvalroute", "Can archive and restore ways of approval")],
                "constraints": [
                    models.UniqueConstraint(
                        models.F("type"),
                        django.db.models.functions.text.Lower("name"),
                        condition=models.Q(("archived_at", None)),
                        name="approval_route_name_unique",
                        violation_error_message="There is a way of approval with this name already.",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="Approval",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("created_at", models.DateTimeField(auto_now_add=True, verbose_name="created")),
                ("updated_at", models.DateTimeField(auto_now=True, verbose_name="changed")),
                ("version", models.PositiveIntegerField(default=1, editable=False, verbose_name="version")),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("OPEN", "in review"),
                            ("APPROVED", "approved"),
                            ("REJECTED", "rejected"),
                            ("CANCELLED", "cancelled"),
                            ("RESTARTED", "begun anew"),
                        ],
                        default="OPEN",
                        max_length=16,
                        verbose_name="state",
                    ),
                ),
                (
                    "note",
                    models.TextField(blank=True, default="", max_length=2000, verbose_name="what to look at"),
                ),
                ("reason", models.TextField(blank=True, default="", max_length=2000, verbose_name="reason")),
                ("closed_at", models.DateTimeField(blank=True, null=True, verbose_name="ended")),
                (
                    "created_by",
                    models.ForeignKey(
                        blank=True,
                        db_index=False,
                        editable=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="created by",
                    ),
                ),
                (
                    "document",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="approvals",
                        to="documents.document",
                        verbose_name="document",
                    ),
                ),
                (
                    "document_version",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="documents.documentversion",
                        verbose_name="version of the document",
                    ),
                ),
                (
                    "updated_by",
                    models.ForeignKey(
                        blank=True,
                        db_index=False,
                        editable=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="changed by",
                    ),
                ),
                (
                    "route",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="approvals",
                        to="documents.approvalroute",
                        verbose_name="way of approval",
                    ),
                ),
            ],
            options={
                "verbose_name": "approval",
                "verbose_name_plural": "approvals",
                "permissions": [("decide_approval", "Can decide about what they are asked")],
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("state", "OPEN")),
                        fields=("document",),
                        name="approval_open_once",
                        violation_error_message="This document is in review already.",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("closed_at", None), ("state", "OPEN")),
                            models.Q(
                                models.Q(("state", "OPEN"), _negated=True), ("closed_at__isnull", False)
                            ),
                            _connector="OR",
                        ),
                        name="approval_closed_or_open",
                    ),
                ],
                "indexes": [models.Index(fields=["state", "-id"], name="approval_state_latest")],
            },
        ),
        migrations.CreateModel(
            name="ApprovalRouteStep",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "place",
                    models.PositiveSmallIntegerField(
                        default=1,
                        validators=[django.core.validators.MinValueValidator(1)],
                        verbose_name="place",
                    ),
                ),
                (
                    "days",
                    models.PositiveSmallIntegerField(
                        blank=True,
                        null=True,
                        validators=[
                            django.core.validators.MinValueValidator(1),
                            django.core.validators.MaxValueValidator(365),
                        ],
                        verbose_name="days to decide",
                    ),
                ),
                (
                    "assignee",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="who decides",
                    ),
                ),
                (
                    "role",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="accounts.role",
                        verbose_name="role",
                    ),
                ),
                (
                    "route",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="steps",
                        to="documents.approvalroute",
                        verbose_name="way of approval",
                    ),
                ),
                (
                    "team",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="accounts.team",
                        verbose_name="team",
                    ),
                ),
            ],
            options={
                "verbose_name": "step",
                "verbose_name_plural": "steps",
                "abstract": False,
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("assignee__isnull", False), ("role", None), ("team", None)),
                            models.Q(("assignee", None), ("role__isnull", False), ("team__isnull", False)),
                            _connector="OR",
                        ),
                        name="approvalroutestep_asks_somebody",
                        violation_error_message="Name one person, or a role together with its team.",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="ApprovalStep",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "place",
                    models.PositiveSmallIntegerField(
                        default=1,
                        validators=[django.core.validators.MinValueValidator(1)],
                        verbose_name="place",
                    ),
                ),
                (
                    "days",
                    models.PositiveSmallIntegerField(
                        blank=True,
                        null=True,
                        validators=[
                            django.core.validators.MinValueValidator(1),
                            django.core.validators.MaxValueValidator(365),
                        ],
                        verbose_name="days to decide",
                    ),
                ),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("WAITING", "not yet asked"),
                            ("ASKED", "asked"),
                            ("APPROVED", "approved"),
                            ("REJECTED", "rejected"),
                            ("DELEGATED", "given to somebody else"),
                            ("DROPPED", "not needed any more"),
                        ],
                        default="WAITING",
                        max_length=16,
                        verbose_name="state",
                    ),
                ),
                ("asked_at", models.DateTimeField(blank=True, null=True, verbose_name="asked")),
                ("due_at", models.DateTimeField(blank=True, null=True, verbose_name="due")),
                ("overdue_told_at", models.DateTimeField(blank=True, editable=False, null=True)),
                ("decided_at", models.DateTimeField(blank=True, null=True, verbose_name="decided")),
                (
                    "comment",
                    models.TextField(blank=True, default="", max_length=2000, verbose_name="comment"),
                ),
                (
                    "approval",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="steps",
                        to="documents.approval",
                        verbose_name="approval",
                    ),
                ),
                (
                    "assignee",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="who decides",
                    ),
                ),
                (
                    "decided_by",
                    models.ForeignKey(
                        blank=True,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="decided by",
                    ),
                ),
                (
                    "delegated_from",
                    models.ForeignKey(
                        blank=True,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="documents.approvalstep",
                        verbose_name="in place of",
                    ),
                ),
                (
                    "loans",
                    models.ManyToManyField(
                        blank=True, editable=False, related_name="+", to="accounts.accessgrant"
                    ),
                ),
                (
                    "role",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="accounts.role",
                        verbose_name="role",
                    ),
                ),
                (
                    "team",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="accounts.team",
                        verbose_name="team",
                    ),
                ),
            ],
            options={
                "verbose_name": "step of an approval",
                "verbose_name_plural": "steps of approvals",
                "abstract": False,
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("assignee__isnull", False), ("role", None), ("team", None)),
                            models.Q(("assignee", None), ("role__isnull", False), ("team__isnull", False)),
                            _connector="OR",
                        ),
                        name="approvalstep_asks_somebody",
                        violation_error_message="Name one person, or a role together with its team.",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(
                                ("decided_at__isnull", False),
                                ("decided_by__isnull", False),
                                ("state__in", ["APPROVED", "REJECTED", "DELEGATED"]),
                            ),
                            models.Q(
                                ("decided_at", None),
                                ("decided_by", None),
                                ("state__in", ["WAITING", "ASKED", "DROPPED"]),
                            ),
                            _connector="OR",
                        ),
                        name="approval_step_decided_by_somebody",
                    ),
                ],
                "indexes": [
                    models.Index(
                        condition=models.Q(("overdue_told_at", None), ("state", "ASKED")),
                        fields=["due_at"],
                        name="approval_step_due",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="SignatureHead",
            fields=[
                (
                    "request",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="head",
                        serialize=False,
                        to="documents.signaturerequest",
                    ),
                ),
                ("count", models.PositiveIntegerField()),
                ("hash", models.CharField(max_length=64)),
            ],
            options={
                "default_permissions": (),
            },
        ),
        migrations.CreateModel(
            name="SignatureRecipient",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("place", models.PositiveSmallIntegerField(default=1, verbose_name="place")),
                ("name", models.CharField(max_length=150, verbose_name="name")),
                ("email", models.EmailField(max_length=254, verbose_name="e-mail")),
                (
                    "locale",
                    models.CharField(
                        blank=True,
                        default="",
                        max_length=8,
                        validators=[apps.accounts.models.people.validate_language],
                        verbose_name="language",
                    ),
                ),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("WAITING", "not yet asked"),
                            ("ASKED", "asked"),
                            ("ACCEPTED", "accepted"),
                            ("DECLINED", "declined"),
                        ],
                        default="WAITING",
                        max_length=16,
                        verbose_name="state",
                    ),
                ),
                (
                    "token_digest",
                    models.CharField(blank=True, editable=False, max_length=64, null=True, unique=True),
                ),
                ("sent_at", models.DateTimeField(blank=True, null=True, verbose_name="sent")),
                ("viewed_at", models.DateTimeField(blank=True, null=True, verbose_name="opened")),
                ("decided_at", models.DateTimeField(blank=True, null=True, verbose_name="answered")),
                ("reason", models.TextField(blank=True, default="", max_length=2000, verbose_name="reason")),
                ("code_handle", models.CharField(blank=True, default="", editable=False, max_length=64)),
                ("code_sent_at", models.DateTimeField(blank=True, editable=False, null=True)),
                (
                    "wrong_codes",
                    models.PositiveSmallIntegerField(default=0, editable=False, verbose_name="wrong codes"),
                ),
                (
                    "request",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="recipients",
                        to="documents.signaturerequest",
                        verbose_name="signature request",
                    ),
                ),
            ],
            options={
                "verbose_name": "recipient",
                "verbose_name_plural": "recipients",
                "constraints": [
                    models.UniqueConstraint(
                        fields=("request", "email"),
                        name="signature_recipient_once",
                        violation_error_message="Each address is asked once.",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("decided_at__isnull", False), ("state__in", ["ACCEPTED", "DECLINED"])),
                            models.Q(("decided_at", None), ("state__in", ["WAITING", "ASKED"])),
                            _connector="OR",
                        ),
                        name="signature_recipient_decided",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="SignatureEvent",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("REQUESTED", "sent out to be signed"),
                            ("SENT", "link sent"),
                            ("VIEWED", "link opened"),
                            ("OPENED", "document opened"),
                            ("CODE_SENT", "said to have read it, code sent"),
                            ("CODE_WRONG", "wrong code"),
                            ("LOCKED", "link locked after wrong codes"),
                            ("ACCEPTED", "accepted"),
                            ("DECLINED", "declined"),
                            ("CANCELLED", "cancelled"),
                            ("EXPIRED", "expired"),
                            ("COMPLETED", "accepted by all"),
                            ("EVIDENCE", "evidence written"),
                        ],
                        editable=False,
                        max_length=16,
                        verbose_name="what",
                    ),
                ),
                ("at", models.DateTimeField(editable=False, verbose_name="when")),
                ("address", models.GenericIPAddressField(editable=False, null=True, verbose_name="address")),
                (
                    "agent",
                    models.CharField(
                        blank=True, default="", editable=False, max_length=300, verbose_name="program"
                    ),
                ),
                ("digest", models.CharField(editable=False, max_length=64, verbose_name="SHA-256")),
                ("data", models.JSONField(default=dict, editable=False, verbose_name="details")),
                ("position", models.PositiveIntegerField(editable=False, null=True, verbose_name="position")),
                (
                    "previous",
                    models.CharField(
                        blank=True, default="", editable=False, max_length=64, verbose_name="hash before it"
                    ),
                ),
                (
                    "hash",
                    models.CharField(
                        blank=True, default="", editable=False, max_length=64, verbose_name="hash"
                    ),
                ),
                (
                    "request",
                    models.ForeignKey(
                        db_index=False,
                        editable=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="events",
                        to="documents.signaturerequest",
                    ),
                ),
                (
                    "recipient",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        editable=False,
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="documents.signaturerecipient",
                        verbose_name="recipient",
                    ),
                ),
            ],
            options={
                "verbose_name": "signature event",
                "verbose_name_plural": "signature events",
                "default_permissions": ("view",),
                "constraints": [
                    models.UniqueConstraint(fields=("request", "position"), name="signature_event_place")
                ],
            },
        ),
        migrations.RunSQL(TEXT, TEXT_BACK),
        migrations.RunSQL(CHAIN, CHAIN_BACK),
        migrations.RunSQL(GUARD, GUARD_BACK),
        migrations.RunSQL(SETTLED, SETTLED_BACK),
    ]

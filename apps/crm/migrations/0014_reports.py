"""What figures are made of: rates, the kept funnel, forecasts as they were, plans; made beside running work."""

import django.contrib.postgres.fields
import django.core.validators
import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.contrib.postgres.operations import AddIndexConcurrently, RemoveIndexConcurrently
from django.db import migrations, models

import apps.crm.models.reports

# Said anew after each migration, from the settings.
BASE_CURRENCY = f"""
create function crm_base_currency() returns text language sql immutable as $$ select '{settings.BASE_CURRENCY}'::text $$;
"""
DROP_BASE_CURRENCY = "drop function crm_base_currency();"

# The one place where an amount becomes one in the currency of the books. Whoever closes a deal freezes its rate: it is
# asked for again only with another currency, or when the deal is opened again.
CONVERT = """
create function crm_rate_of(of_currency text, on_day date, out rate numeric, out rate_date date)
language sql stable as $$
    select r.rate, r.date from crm_currencyrate r where r.currency = of_currency and r.date <= on_day
    order by r.date desc limit 1
$$;
create function crm_convert_deal() returns trigger language plpgsql as $$
begin
    if new.currency = crm_base_currency() then
        new.rate := 1; new.rate_date := null;
    elsif tg_op = 'UPDATE' and new.status <> 'OPEN' and old.status = new.status and old.currency = new.currency
        and old.closed_at is not distinct from new.closed_at and old.rate is not null
    then
        new.rate := old.rate; new.rate_date := old.rate_date;
    else
        select r.rate, r.rate_date into new.rate, new.rate_date
        from crm_rate_of(new.currency, coalesce((new.closed_at at time zone 'UTC')::date, current_date)) r;
    end if;
    new.amount_base := round(new.amount * new.rate, 2);
    return new;
end $$;
create trigger deal_amount_base before insert or update of amount, currency, status, closed_at on crm_deal
    for each row execute function crm_convert_deal();
"""
DROP_CONVERT = """
drop trigger deal_amount_base on crm_deal;
drop function crm_convert_deal();
drop function crm_rate_of(text, date);
"""

# One row for each statement and cell. Waits for nobody: sums are made by who reads the marks.
MARK = """
create function crm_mark_funnel() returns trigger language plpgsql as $$
begin
    if tg_op = 'INSERT' then
        insert into crm_funnelmark (month, pipeline_id, owner_id, team_id)
        select distinct date_trunc('month', opened_date)::date, pipeline_id, owner_id, team_id from new_rows;
    elsif tg_op = 'DELETE' then
        insert into crm_funnelmark (month, pipeline_id, owner_id, team_id)
        select distinct date_trunc('month', opened_date)::date, pipeline_id, owner_id, team_id from old_rows;
    else
        insert into crm_funnelmark (month, pipeline_id, owner_id, team_id)
        select distinct c.month, c.pipeline_id, c.owner_id, c.team_id
        from old_rows o join new_rows n on n.id = o.id
        cross join lateral (values
            (date_trunc('month', o.opened_date)::date, o.pipeline_id, o.owner_id, o.team_id),
            (date_trunc('month', n.opened_date)::date, n.pipeline_id, n.owner_id, n.team_id)
        ) as c (month, pipeline_id, owner_id, team_id)
        where (o.opened_date, o.pipeline_id, o.owner_id, o.team_id, o.stage_id, o.status, o.archived_at)
            is distinct from (n.opened_date, n.pipeline_id, n.owner_id, n.team_id, n.stage_id, n.status, n.archived_at);
    end if;
    return null;
end $$;
create trigger deal_funnel_insert after insert on crm_deal
    referencing new table as new_rows for each statement execute function crm_mark_funnel();
create trigger deal_funnel_update after update on crm_deal
    referencing old table as old_rows new table as new_rows for each statement execute function crm_mark_funnel();
create trigger deal_funnel_delete after delete on crm_deal
    referencing old table as old_rows for each statement execute function crm_mark_funnel();
create function crm_mark_funnel_step() returns trigger language plpgsql as $$
begin
    insert into crm_funnelmark (month, pipeline_id, owner_id, team_id)
    select distinct date_trunc('month', d.opened_date)::date, d.pipeline_id, d.owner_id, d.team_id
    from new_rows t join crm_deal d on d.id = t.deal_id;
    return null;
end $$;
create trigger stage_transition_funnel after insert on crm_stagetransition
    referencing new table as new_rows for each statement execute function crm_mark_funnel_step();
-- Who went further is a matter of the order of the stages.
create function crm_mark_funnel_stage() returns trigger language plpgsql as $$
begin
    insert into crm_funnelmark (month, pipeline_id, owner_id, team_id)
    select distinct month, pipeline_id, owner_id, team_id from crm_funnelcell
    where pipeline_id = new.pipeline_id and owner_id is not null;
    return null;
end $$;
create trigger stage_funnel after update of position, kind on crm_stage for each row
    when (old.position is distinct from new.position or old.kind is distinct from new.kind)
    execute function crm_mark_funnel_stage();
"""
DROP_MARK = """
drop trigger stage_funnel on crm_stage;
drop function crm_mark_funnel_stage();
drop trigger stage_transition_funnel on crm_stagetransition;
drop function crm_mark_funnel_step();
drop trigger deal_funnel_delete on crm_deal;
drop trigger deal_funnel_update on crm_deal;
drop trigger deal_funnel_insert on crm_deal;
drop function crm_mark_funnel();
"""
# What is there already is summed up by the first run of the task.
MARK_ALL = """
insert into crm_funnelmark (month, pipeline_id, owner_id, team_id)
select distinct date_trunc('month', opened_date)::date, pipeline_id, owner_id, team_id from crm_deal;
"""
# Of the recorded changes those that move a deal into a sum or out of it.
WORTH_CHANGES = """
create index concurrently if not exists change_of_deal_worth on history_change (at)
    where model = 'crm.deal' and op = 'U' and new ?| array['amount', 'archived_at', 'expected_close_date'];
"""
DROP_WORTH_CHANGES = "drop index concurrently if exists change_of_deal_worth;"

KEY = ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID"))


def pointer(to, on_delete=django.db.models.deletion.CASCADE, **options):
    return models.ForeignKey(db_index=False, on_delete=on_delete, related_name="+", to=to, **options)


def stamps():
    signature = {"blank": True, "editable": False, "null": True}
    protect = django.db.models.deletion.PROTECT
    return [
        ("created_at", models.DateTimeField(auto_now_add=True, verbose_name="created")),
        ("updated_at", models.DateTimeField(auto_now=True, verbose_name="changed")),
        ("created_by", pointer(settings.AUTH_USER_MODEL, protect, verbose_name="created by", **signature)),
        ("updated_by", pointer(settings.AUTH_USER_MODEL, protect, verbose_name="changed by", **signature)),
    ]


class Migration(migrations.Migration):
    atomic = False
    dependencies = [
        ("accounts", "0002_tree_and_versions"),
        ("crm", "0013_timeline"),
        ("history", "0002_recording"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="CurrencyRate",
            fields=[
                KEY,
                *stamps()[:2],
                (
                    "currency",
                    models.CharField(
                        max_length=3,
                        validators=[
                            django.core.validators.RegexValidator(
                                "^[A-Z]{3}$",
                                "A currency is three capital letters, as in RUB.",
                                code="currency",
                            )
                        ],
                        verbose_name="currency",
                    ),
                ),
                ("date", models.DateField(default=django.utils.timezone.localdate, verbose_name="from")),
                (
                    "rate",
                    models.DecimalField(
                        decimal_places=10,
                        max_digits=20,
                        validators=[django.core.validators.MinValueValidator(0)],
                        verbose_name="rate",
                    ),
                ),
                (
                    "source",
                    models.CharField(default="manual", editable=False, max_length=32, verbose_name="source"),
                ),
                *stamps()[2:],
            ],
            options={
                "verbose_name": "exchange rate",
                "verbose_name_plural": "exchange rates",
                "constraints": [
                    models.UniqueConstraint(
                        fields=("currency", "date"),
                        name="currency_rate_one_a_day",
                        violation_error_message="There is a rate of this currency for this day already.",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("rate__gt", 0)),
                        name="currency_rate_positive",
                        violation_error_message="A rate is more than zero.",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("currency__regex", "^[A-Z]{3}$")),
                        name="currency_rate_currency_code",
                        violation_error_message="A currency is three capital letters, as in RUB.",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="FunnelCell",
            fields=[
                KEY,
                ("month", models.DateField()),
                ("entered", models.IntegerField()),
                ("onward", models.IntegerField()),
                ("won", models.IntegerField()),
                ("lost", models.IntegerField()),
                (
                    "days",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.IntegerField(), default=list, size=None
                    ),
                ),
                (
                    "counts",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.IntegerField(), default=list, size=None
                    ),
                ),
                ("owner", pointer(settings.AUTH_USER_MODEL, null=True)),
                ("pipeline", pointer("crm.pipeline")),
                ("stage", pointer("crm.stage", null=True)),
                ("team", pointer("accounts.team", null=True)),
            ],
            options={
                "default_permissions": (),
                "indexes": [
                    models.Index(fields=["owner", "month"], name="funnel_cell_owner"),
                    models.Index(fields=["month", "pipeline"], name="funnel_cell_month"),
                ],
            },
        ),
        migrations.CreateModel(
            name="FunnelMark",
            fields=[
                KEY,
                ("month", models.DateField()),
                ("pipeline_id", models.BigIntegerField()),
                ("owner_id", models.BigIntegerField()),
                ("team_id", models.BigIntegerField(null=True)),
            ],
            options={
                "default_permissions": (),
                "indexes": [models.Index(fields=["month", "pipeline_id"], name="funnel_mark_month")],
            },
        ),
        migrations.CreateModel(
            name="ForecastSnapshot",
            fields=[
                KEY,
                (
                    "beat",
                    models.CharField(
                        choices=[("WEEK", "each Monday"), ("MONTH", "on the first of each month")],
                        max_length=5,
                    ),
                ),
                ("due_date", models.DateField()),
                ("taken_date", models.DateField()),
                ("month", models.DateField(null=True)),
                ("deals", models.IntegerField()),
                ("amount", models.DecimalField(decimal_places=2, max_digits=20)),
                ("weighted", models.DecimalField(decimal_places=2, max_digits=20)),
                ("owner", pointer(settings.AUTH_USER_MODEL, django.db.models.deletion.PROTECT)),
                ("pipeline", pointer("crm.pipeline")),
                ("team", pointer("accounts.team", django.db.models.deletion.PROTECT, null=True)),
            ],
            options={
                "default_permissions": (),
                "constraints": [
                    models.UniqueConstraint(
                        fields=("beat", "due_date", "month", "pipeline", "owner", "team"),
                        name="forecast_snapshot_once",
                        nulls_distinct=False,
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="SalesPlan",
            fields=[
                KEY,
                *stamps()[:2],
                (
                    "month",
                    models.DateField(validators=[apps.crm.models.reports.whole_month], verbose_name="month"),
                ),
                (
                    "amount",
                    models.DecimalField(
                        decimal_places=2,
                        max_digits=18,
                        validators=[django.core.validators.MinValueValidator(0)],
                        verbose_name="amount",
                    ),
                ),
                *stamps()[2:3],
                (
                    "owner",
                    pointer(
                        settings.AUTH_USER_MODEL,
                        django.db.models.deletion.PROTECT,
                        blank=True,
                        null=True,
                        verbose_name="person",
                    ),
                ),
                (
                    "team",
                    pointer(
                        "accounts.team",
                        django.db.models.deletion.PROTECT,
                        blank=True,
                        null=True,
                        verbose_name="team",
                    ),
                ),
                *stamps()[3:],
            ],
            options={
                "verbose_name": "sales plan",
                "verbose_name_plural": "sales plans",
                "indexes": [models.Index(fields=["month"], name="sales_plan_by_month")],
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("owner__isnull", False)),
                        fields=("owner", "month"),
                        name="sales_plan_person_month",
                        violation_error_message="This person has a plan for this month already.",
                    ),
                    models.UniqueConstraint(
                        condition=models.Q(("owner", None)),
                        fields=("team", "month"),
                        name="sales_plan_team_month",
                        violation_error_message="This team has a plan for this month already.",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("owner__isnull", False), ("team__isnull", False), _connector="OR"
                        ),
                        name="sales_plan_of_somebody",
                        violation_error_message="A plan is a person's or a team's.",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("month__day", 1)),
                        name="sales_plan_whole_month",
                        violation_error_message="A plan is for a month: give its first day.",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("amount__gte", 0)),
                        name="sales_plan_amount_not_negative",
                        violation_error_message="An amount cannot be negative.",
                    ),
                ],
            },
        ),
        migrations.AddField(
            model_name="deal",
            name="amount_base",
            field=models.DecimalField(
                decimal_places=2,
                editable=False,
                max_digits=20,
                null=True,
                verbose_name="amount in the currency of the books",
            ),
        ),
        migrations.AddField(
            model_name="deal",
            name="rate",
            field=models.DecimalField(
                decimal_places=10, editable=False, max_digits=20, null=True, verbose_name="rate"
            ),
        ),
        migrations.AddField(
            model_name="deal",
            name="rate_date",
            field=models.DateField(editable=False, null=True, verbose_name="rate of"),
        ),
        migrations.RunSQL(BASE_CURRENCY, DROP_BASE_CURRENCY),
        migrations.RunSQL(CONVERT, DROP_CONVERT),
        migrations.RunSQL(MARK, DROP_MARK),
        migrations.RunSQL(MARK_ALL, migrations.RunSQL.noop),
        AddIndexConcurrently(
            model_name="deal",
            index=models.Index(
                condition=models.Q(("archived_at", None), ("status", "OPEN")),
                fields=["expected_close_date"],
                include=[
                    *["owner", "team", "pipeline", "stage", "currency", "amount", "rate", "amount_base"],
                    *["probability", "stage_entered_at"],
                ],
                name="deal_forecast",
            ),
        ),
        AddIndexConcurrently(
            model_name="deal",
            index=models.Index(fields=["owner", "opened_date"], name="deal_owner_opened"),
        ),
        AddIndexConcurrently(
            model_name="deal",
            index=models.Index(
                condition=models.Q(("archived_at", None), ("closed_at__isnull", False)),
                fields=["status", "closed_at"],
                include=[
                    *["currency", "amount", "amount_base", "owner", "team", "pipeline", "company"],
                    *["lost_reason", "opened_date", "id"],
                ],
                name="deal_closed_figures",
            ),
        ),
        # The new one holds all that it does.
        RemoveIndexConcurrently(model_name="deal", name="deal_closed_worth"),
        migrations.RunSQL(WORTH_CHANGES, DROP_WORTH_CHANGES),
    ]

"""Numbers of deals ("D-2026-000123"), drawn by the database so that a set-based insert gets them too."""

from django.db import migrations, models
from django.db.models import Func

# One sequence for all years: a number never repeats, and a new year needs no job to start it. `lpad` cuts what is
# longer than its width, hence the width that grows after 999,999.
FUNCTION = """
create sequence crm_deal_number;
create function crm_next_deal_number() returns text language sql volatile as $$
    select 'D-' || to_char(now(), 'YYYY') || '-' || lpad(n, greatest(6, length(n)), '0')
    from (select nextval('crm_deal_number')::text as n) as drawn
$$;
"""
DROP = "drop function crm_next_deal_number(); drop sequence crm_deal_number;"


class Migration(migrations.Migration):
    dependencies = [("crm", "0001_initial")]

    operations = [
        migrations.RunSQL(FUNCTION, DROP),
        migrations.AlterField(
            "deal",
            "number",
            models.CharField(
                verbose_name="number",
                max_length=20,
                unique=True,
                editable=False,
                db_default=Func(function="crm_next_deal_number"),
            ),
        ),
    ]

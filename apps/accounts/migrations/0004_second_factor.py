"""
A role can require a second factor, and whoever has one has it asked again.

Until now nobody was asked to confirm an address: each was given by an administrator, who vouches for it.
"""

from django.db import migrations, models

VERSIONS = """
create function accounts_role_touched() returns trigger language plpgsql as $$
begin
    update accounts_user set perm_version = perm_version + 1
        where id in (select user_id from accounts_membership where role_id = new.id);
    return null;
end $$;

create trigger role_requirement after update on accounts_role
    for each row when (old.requires_mfa is distinct from new.requires_mfa)
    execute function accounts_role_touched();
"""

VERSIONS_BACK = """
drop trigger role_requirement on accounts_role;
drop function accounts_role_touched();
"""

ADDRESSES = """
update account_emailaddress a set verified = true, "primary" = true
    from accounts_user u where u.id = a.user_id and u.email = a.email and not a.verified;
insert into account_emailaddress (user_id, email, verified, "primary")
    select u.id, u.email, true, true from accounts_user u
    where u.email is not null and u.kind = 'HUMAN'
        and not exists (select 1 from account_emailaddress a where a.user_id = u.id)
    on conflict do nothing;
"""


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0003_api_keys"),
        ("account", "0009_emailaddress_unique_primary_email"),
    ]

    operations = [
        migrations.AddField(
            model_name="role",
            name="requires_mfa",
            field=models.BooleanField(
                db_default=False,
                default=False,
                help_text=(
                    "Who has this role anywhere sets up an authenticator app or a passkey before anything else."
                ),
                verbose_name="requires a second factor",
            ),
        ),
        migrations.RunSQL(VERSIONS, VERSIONS_BACK),
        migrations.RunSQL(ADDRESSES, migrations.RunSQL.noop),
    ]

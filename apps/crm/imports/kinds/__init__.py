"""What can be imported: one module per kind."""

from apps.crm.imports.custom import with_further_fields
from apps.crm.imports.fields import ImportKind
from apps.crm.imports.kinds.companies import COMPANIES
from apps.crm.imports.kinds.deals import DEALS
from apps.crm.imports.kinds.leads import LEADS
from apps.crm.imports.kinds.people import PEOPLE
from apps.crm.imports.kinds.products import PRODUCTS
from apps.crm.imports.kinds.users import USERS

KINDS: dict[str, ImportKind] = {kind.key: kind for kind in (PRODUCTS, USERS, COMPANIES, PEOPLE, DEALS, LEADS)}


def kind_of(key: str) -> ImportKind:
    """Return a kind, with the further fields of its rows. :raises KeyError: nothing of that name can be imported"""
    return with_further_fields(KINDS[key])

"""What a browser calls itself, in words in which people know their devices."""

import ua_parser
from django.utils.translation import gettext as _


def device_name(user_agent: str) -> str:
    """Return "Firefox on Linux" for what a browser sends; a program by the beginning of what it sends."""
    found = ua_parser.parse(user_agent)
    browser = found.user_agent.family if found.user_agent else ""
    system = found.os.family if found.os else ""
    if browser and system:
        return _("%(browser)s on %(system)s") % {"browser": browser, "system": system}
    return browser or system or user_agent[:40] or _("an unknown device")

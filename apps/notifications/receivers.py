"""Facts that people are told of."""

from apps.events.models import Event
from apps.events.receivers import receiver
from apps.notifications.services.inbox import Cause, tell
from apps.notifications.targets import row_of
from apps.notifications.telling import rules
from apps.notifications.telling.kinds import kinds_for

# Declared here, too: receivers are found before an app is ready.
FACTS = rules.facts()


@receiver(*FACTS)
def tell_people(event: Event) -> None:
    """Tell those whom the rules name of a fact, as far as they may see what it is about at this moment."""
    for kind in kinds_for(event.type):
        about = kind.about(event)
        target = None if about is None else row_of(*about)
        if about is not None and target is None:
            # It has gone meanwhile.
            continue
        cause = Cause(f"event:{event.uid}:{kind.code}", event.actor_id, target, kind.details(event))
        tell(kind, kind.who(event), cause)

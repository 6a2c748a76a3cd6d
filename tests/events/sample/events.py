from apps.events.services import Fact

THING_HAPPENED = Fact("sample.thing.happened.v1")

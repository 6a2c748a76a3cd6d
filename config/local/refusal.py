"""The one way in which the local tools say no."""


class Refusal(Exception):
    """A reason not to go on, in one line that says what to do about it."""

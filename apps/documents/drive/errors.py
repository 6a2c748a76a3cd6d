"""Why Google Drive did not do what it was asked, as the kinds that a caller decides between."""

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from apps.documents.drive.remote import RemoteFile


class DriveError(Exception):
    """
    Something that Drive was asked for did not happen, or nobody knows whether it did.

    `words` say it to a person, `reason` is Google's own name for it, `status` that of the answer, 0 where there was none.
    """

    words: Promise = _("Google Drive did not do what it was asked.")

    def __init__(self, message: str = "", *, reason: str = "", status: int = 0) -> None:
        super().__init__(message or reason or type(self).__name__)
        self.reason = reason
        self.status = status


class Later(DriveError):
    """It may work when it is asked again, not before `wait` seconds from now."""

    words = _("Google Drive does not answer properly now; it is tried again.")

    def __init__(self, message: str = "", *, reason: str = "", status: int = 0, wait: float = 0.0) -> None:
        super().__init__(message, reason=reason, status=status)
        self.wait = wait


class Transient(Later):
    """
    A failure of the network or of Google's own servers.

    Whether a change took effect is unknown: ask again with the same id.
    """


class Corrupt(Transient):
    """What arrived, here or there, is not what was sent: another size or another MD5."""

    words = _("A file arrived damaged; it is transferred again.")


class RateLimited(Later):
    """Too much was asked for within a minute; nothing took effect."""

    words = _("Google Drive asks for a slower pace; it is tried again.")


class DailyLimit(Later):
    """What the project may ask for in a day is used up; nothing took effect."""

    words = _("The daily limit of Google Drive is used up; it goes on when a new day begins there.")


class QuotaFull(DriveError):
    """There is no room: the storage is full, or the shared drive holds as many items as it may. A person has to act."""

    words = _("There is no room left in Google Drive. Make room there, or use a shared drive with storage.")


class Forbidden(DriveError):
    """The account may not do it."""

    words = _("The account may not do this in Google Drive. Give it the role of a content manager there.")


class LoginRefused(Forbidden):
    """The key of the account is revoked, unknown or not delegated to the person it speaks for."""

    words = _("Google does not accept the key of the account. Give it a new one.")


class KeyUnreadable(LoginRefused):
    """There is no key to show Google: its file is not there, or nobody here can open it."""

    words = _(
        "The key of the account cannot be read: its file is not there, or it was sealed under another"
        " SIGNING_KEYS_SECRET. Give the account its key anew."
    )

    def __init__(self) -> None:
        super().__init__("the key of the account cannot be read", reason="noKey")


class Gone(DriveError):
    """
    The account sees no such thing.

    It was deleted, or moved out of sight, or access was taken away: no proof of deletion.
    """

    words = _("There is no such file in Google Drive, or the account does not see it any more.")


class Collision(DriveError):
    """The id is taken by something else; `file` is what stands there, None where it is hidden."""

    words = _("Another file stands in Google Drive under the identifier of this one.")

    def __init__(
        self, message: str = "", *, reason: str = "", status: int = 409, file: RemoteFile | None = None
    ) -> None:
        super().__init__(message, reason=reason, status=status)
        self.file = file


class Invalid(DriveError):
    """Drive does not understand the request or refuses its values; asking again the same way does not help."""

    words = _("Google Drive does not accept this request.")

"""E-mail: text and a page in one letter, under an id that stays the same, with a way to be told no more of it."""

import smtplib
from urllib.parse import urlsplit

from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.template.loader import render_to_string
from django.utils.translation import override

from apps.notifications.channels import Message, Outcome
from apps.notifications.models import ChannelAddress, Delivery

Error = Delivery.Error
# What servers answer when there is no such mailbox, or it is closed for good (RFC 5321, 4.2.3).
_NO_MAILBOX = {521, 550, 551, 553, 556}


class Mail:
    """Sends through the mail server of the settings."""

    def send(self, message: Message) -> Outcome:
        try:
            letter_of(message).send()
        except smtplib.SMTPRecipientsRefused as error:
            code = next((code for code, _said in error.recipients.values()), 0)
            return _refused(code, is_address=True)
        except smtplib.SMTPResponseException as error:
            return _refused(int(error.smtp_code), is_address=False)
        except (smtplib.SMTPException, OSError):
            return Outcome(Error.UNREACHABLE, is_uncertain=True)
        return Outcome(provider_id=_message_id(message))


def letter_of(message: Message) -> EmailMultiAlternatives:
    """Return a message as a letter."""
    headers = {
        "Message-ID": _message_id(message),
        # No answer of a machine to a machine (RFC 3834).
        "Auto-Submitted": "auto-generated",
    }
    if message.unsubscribe:
        headers["List-Unsubscribe"] = f"<{message.unsubscribe}>"
        headers["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    shown = {"message": message, "paragraphs": message.text.split("\n\n")}
    with override(message.language):
        text = render_to_string("notifications/letter.txt", shown)
        page = render_to_string("notifications/letter.html", shown)
    letter = EmailMultiAlternatives(
        message.subject, text, settings.DEFAULT_FROM_EMAIL, [message.address], headers=headers
    )
    letter.attach_alternative(page, "text/html")
    return letter


def _message_id(message: Message) -> str:
    return f"<{message.key}@{urlsplit(settings.OIDC_ISSUER).hostname}>"


def _refused(code: int, *, is_address: bool) -> Outcome:
    if not 500 <= code < 600:
        return Outcome(Error.REFUSED, code or None)
    gone = is_address and code in _NO_MAILBOX
    return Outcome(
        Error.REJECTED, code, is_final=True, disables=ChannelAddress.Reason.BOUNCED if gone else ""
    )

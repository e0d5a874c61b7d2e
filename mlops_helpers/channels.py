"""Ways to reach people: the program's log, mail, a webhook. Each sends one message or says why not.

A channel tries once, within its time limit, and knows nothing of retries: those are the outbox's.
Passwords, signing keys and the path of a webhook (which is often a key itself) are in no `repr`,
log or error text.

Source of the signature: H. Krawczyk et al. (1997), RFC 2104 (HMAC). Of the header that marks a
repeat: the IETF draft "The Idempotency-Key HTTP Header Field".
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import http.client
import logging
import smtplib
import ssl
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.utils import format_datetime
from typing import IO, Protocol

import pandas as pd

from mlops_helpers.messages import Message

__all__ = [
    "Channel",
    "ChannelError",
    "LogChannel",
    "MailChannel",
    "PartlySentError",
    "WebhookChannel",
]

_LEVELS = {
    "low": logging.INFO,
    "medium": logging.WARNING,
    "high": logging.ERROR,
    "critical": logging.CRITICAL,
}
_TOLD = 200  # characters of a server's answer that an error repeats


class ChannelError(Exception):
    """A message did not go out; the text says why, in a sentence without secrets.

    `retry_after` is how long the other side asked to be left alone, if it did.
    """

    retry_after: pd.Timedelta | None = None  # also of a stranger's subclass

    def __init__(self, told: str, *, retry_after: pd.Timedelta | None = None) -> None:
        """Keep what is told and the wait that was asked for."""
        super().__init__(told)
        self.retry_after = retry_after


class PartlySentError(ChannelError):
    """A message went out, but not to everybody; sending it again would repeat it to the others."""


class Channel(Protocol):
    """Anything that can send a message, or raise `ChannelError`."""

    def send(self, message: Message) -> None:
        """Send it once, in bounded time."""
        ...


@dataclass(frozen=True)
class LogChannel:
    """Writes messages to a logger, one line each; the level follows the severity."""

    logger: str = "mlops_helpers.alerts"

    def send(self, message: Message) -> None:
        """Log the title and the text."""
        level = _LEVELS.get(message.severity, logging.WARNING)
        if message.event == "resolved":
            level = logging.INFO
        told = message.text.replace("\n", " ")
        logging.getLogger(self.logger).log(level, "%s. %s", message.title, told)


@dataclass(frozen=True)
class MailChannel:
    """Sends messages as mails over SMTP, to all recipients in one transaction.

    If only some are refused, the others have their mail and it is not sent again: give a person
    who must not be missed a channel of their own.

    With `starttls` the connection is encrypted and the server's certificate verified (against
    `ca_file`, or the system's authorities) before anything is sent; a server that does not offer
    it gets nothing. A password is only sent that way. `timeout` (seconds) bounds each answer.
    """

    host: str
    port: int
    sender: str
    recipients: tuple[str, ...]
    username: str = ""
    password: str = field(default="", repr=False)
    starttls: bool = False
    ca_file: str | None = None
    timeout: float = 10.0

    def __post_init__(self) -> None:
        """Refuse what could never work, or would give a password away."""
        if isinstance(self.recipients, str):
            raise ValueError(f"recipients == {self.recipients!r}; pass a tuple of addresses")
        object.__setattr__(self, "recipients", tuple(self.recipients))
        if not self.recipients:
            raise ValueError("recipients is empty; a mail needs at least one address")
        for address in (self.sender, *self.recipients):
            if "@" not in address or not address.isprintable() or set(address) & set(" ,;<>"):
                raise ValueError(f"address {address!r} must be of the form name@domain")
        if self.username and not self.starttls:
            raise ValueError(
                f"username == {self.username!r} without starttls; a password would go over the "
                "wire for everybody to read: pass starttls=True"
            )
        if self.timeout <= 0:
            raise ValueError(f"timeout == {self.timeout}; must be above 0 seconds")

    def send(self, message: Message) -> None:
        """Send the mail. `PartlySentError` if only some recipients were accepted."""
        where = f"mail server {self.host}:{self.port}"
        try:
            # A name of its own for the greeting: smtplib would ask the DNS, which may hang.
            own = self.sender.rpartition("@")[2]
            server = smtplib.SMTP(self.host, self.port, own, timeout=self.timeout)
            with contextlib.closing(server):
                if self.starttls:
                    server.starttls(context=ssl.create_default_context(cafile=self.ca_file))
                if self.username:
                    server.login(self.username, self.password)
                refused = server.send_message(
                    self.mail(message), from_addr=self.sender, to_addrs=list(self.recipients)
                )
                # The mail is the server's now, whatever it says to a goodbye.
                with contextlib.suppress(smtplib.SMTPException, OSError):
                    server.quit()
        except smtplib.SMTPRecipientsRefused as error:
            told = self._refusals(error.recipients)
            raise ChannelError(f"{where} refused every recipient: {told}") from None
        except smtplib.SMTPAuthenticationError as error:
            told = "the login was refused (what else it says may repeat the login)"
            raise ChannelError(f"{where} answered {error.smtp_code}: {told}") from None
        except smtplib.SMTPResponseException as error:
            told = self._without_secrets(error.smtp_error)
            raise ChannelError(f"{where} answered {error.smtp_code}: {told}") from None
        except (OSError, ValueError) as error:  # smtplib's own errors are OSErrors
            told = self._without_secrets(str(error))
            raise ChannelError(f"{where}: {type(error).__name__}: {told}") from None
        if refused:
            raise PartlySentError(f"{where} sent it, but refused {self._refusals(refused)}")

    def mail(self, message: Message) -> EmailMessage:
        """The mail: its Message-ID comes from the delivery, so a repeat has the same.

        `References` holds the alert, so that a mail reader shows its events as one thread.
        """
        domain = self.sender.rpartition("@")[2]
        mail = EmailMessage()
        mail["Subject"] = message.title
        mail["From"] = self.sender
        mail["To"] = ", ".join(self.recipients)
        mail["Date"] = format_datetime(message.event_at.tz_convert("UTC").to_pydatetime())
        mail["Message-ID"] = f"<{message.delivery_id}@{domain}>"
        mail["References"] = f"<{message.alert_id}@{domain}>"
        mail["Auto-Submitted"] = "auto-generated"
        mail.set_content(message.text)
        return mail

    def _refusals(self, refused: dict[str, tuple[int, bytes]]) -> str:
        told = (f"{a} ({code} {self._without_secrets(t)})" for a, (code, t) in refused.items())
        return "; ".join(told)

    def _without_secrets(self, told: bytes | str) -> str:
        text = told.decode(errors="replace") if isinstance(told, bytes) else told
        if self.password and any(form in "".join(text.split()) for form in self._forms()):
            return "its words are left out: they repeat the login"
        return " ".join(text.split())[:_TOLD]

    def _forms(self) -> list[str]:
        """The password as SMTP sends it: plain, LOGIN's base64, PLAIN's with the user before it."""
        login = f"\0{self.username}\0{self.password}"
        sent = (self.password, self.username + login, login)
        encoded = [base64.b64encode(text.encode()).decode().rstrip("=") for text in sent]
        return ["".join(self.password.split()), *encoded]


@dataclass(frozen=True)
class WebhookChannel:
    """Posts messages as JSON; any answer 2xx is a receipt, and redirects are not followed.

    Headers: `Idempotency-Key` is the delivery's id, the same in each attempt; with a `secret`,
    `X-Signature-256` is "sha256=" and the hexadecimal HMAC-SHA256 of the body. `timeout` (seconds)
    bounds each answer. Proxies are taken from the environment, as everywhere in Python.
    """

    url: str = field(repr=False)
    secret: str | None = field(default=None, repr=False)
    timeout: float = 10.0
    host: str = field(init=False, default="")

    def __post_init__(self) -> None:
        """Refuse addresses that are not http or https, or hold a password."""
        parts = urllib.parse.urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(
                f"url has scheme {parts.scheme!r} and host {parts.hostname!r}; a webhook is "
                "http://host/path or https://host/path"
            )
        if parts.username or parts.password:
            raise ValueError(
                f"url of {parts.hostname} holds a user or password, which would not be sent; "
                "sign the messages instead: secret=…"
            )
        if not self.url.isascii() or not self.url.isprintable() or " " in self.url:
            raise ValueError(f"url of {parts.hostname} holds characters that must be %-encoded")
        if self.secret == "":
            raise ValueError("secret is empty; pass None for unsigned messages")
        if self.timeout <= 0:
            raise ValueError(f"timeout == {self.timeout}; must be above 0 seconds")
        object.__setattr__(self, "host", parts.netloc)

    def send(self, message: Message) -> None:
        """Post the message."""
        body = message.to_json().encode()
        headers = {
            "Content-Type": "application/json",
            "Idempotency-Key": message.delivery_id,
            "User-Agent": "mlops-helpers",
        }
        if self.secret is not None:
            headers["X-Signature-256"] = f"sha256={_signature(self.secret, body)}"
        request = urllib.request.Request(self.url, data=body, headers=headers, method="POST")
        opener = urllib.request.build_opener(_StayHere)
        where = f"webhook {self.host}"
        try:
            opener.open(request, timeout=self.timeout).close()
        except urllib.error.HTTPError as error:
            with error:
                more = "; redirects are not followed" if 300 <= error.code < 400 else ""
                told = f"{where} answered {error.code}{more}"
                raise ChannelError(told, retry_after=_wait_asked(error)) from None
        except (OSError, http.client.HTTPException) as error:
            cause = getattr(error, "reason", error)  # an address in the text could be a secret
            told = cause.strerror if isinstance(cause, OSError) and cause.strerror else ""
            name = type(error if isinstance(cause, str) else cause).__name__
            raise ChannelError(f"{where} did not answer: {name} {told}".rstrip()) from None


class _StayHere(urllib.request.HTTPRedirectHandler):
    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
        newurl: str,
    ) -> None:
        """No other address: what is signed for one receiver is nobody else's."""
        return None


def _signature(secret: str, body: bytes) -> str:
    return hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def _wait_asked(error: urllib.error.HTTPError) -> pd.Timedelta | None:
    """The wait of a Retry-After in seconds; its other form, a date, would need a clock."""
    asked = error.headers.get("Retry-After", "")
    whole = asked.isascii() and asked.isdigit() and len(asked) < 7
    return pd.Timedelta(seconds=int(asked)) if whole else None

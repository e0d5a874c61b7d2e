"""Real receivers of alerts for tests, on loopback in threads: a mail server, an HTTP server."""

from __future__ import annotations

import contextlib
import http.server
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import Message as Mail
from email.policy import default
from pathlib import Path

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, Envelope, LoginPassword

from tests.servers import free_port


@dataclass
class MailServer:
    """What a mail server does and has received."""

    port: int
    mails: list[Mail] = field(default_factory=list)
    refused: set[str] = field(default_factory=set)
    answer: Callable[[], str] = lambda: "250 taken"
    logins: list[tuple[str, str]] = field(default_factory=list)

    async def handle_RCPT(self, server, session, envelope, address, options):
        """Take or refuse a recipient."""
        if address in self.refused:
            return f"550 no such person {address}"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope: Envelope):
        """Keep the mail, or answer otherwise."""
        answer = self.answer()
        if answer.startswith("2"):
            self.mails.append(message_from_bytes(envelope.content, policy=default))
        return answer

    def authenticate(self, server, session, envelope, mechanism, login: LoginPassword):
        """Only `robot` with the password `right` may log in; others hear it repeated."""
        pair = (login.login.decode(), login.password.decode())
        self.logins.append(pair)
        if pair == ("robot", "right"):
            return AuthResult(success=True)
        return AuthResult(success=False, handled=False, message=f"535 5.7.8 not {pair[1]}")


@contextlib.contextmanager
def mail_server(
    port: int | None = None, *, certificate: Path | None = None, login: bool = False
) -> Iterator[MailServer]:
    """A mail server that keeps its mails; with a certificate it speaks STARTTLS."""
    server = MailServer(port or free_port())
    more: dict[str, object] = {}
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, certificate.with_suffix(".key"))
        more["tls_context"] = context
    if login:
        more |= {"authenticator": server.authenticate, "auth_required": True}
    controller = Controller(server, hostname="127.0.0.1", port=server.port, **more)
    controller.start()
    try:
        yield server
    finally:
        controller.stop()


@dataclass
class Post:
    """One request that an HTTP server got; names of headers in small letters."""

    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Hook:
    """What an HTTP server has received, and how it answers the next request."""

    port: int
    posts: list[Post] = field(default_factory=list)
    answer: Callable[[http.server.BaseHTTPRequestHandler], None] | None = None

    @property
    def url(self) -> str:
        """Where to post."""
        return f"http://127.0.0.1:{self.port}/hook/token-in-the-path"


@contextlib.contextmanager
def hook_server(port: int | None = None) -> Iterator[Hook]:
    """An HTTP server that takes posts; set `answer` for anything but 204."""
    hook = Hook(port or free_port())

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            hook.posts.append(Post(self.path, headers, body))
            if hook.answer is None:
                self.send_response(204)
                self.end_headers()
            else:
                hook.answer(self)

        do_GET = do_POST

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", hook.port), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield hook
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def answering(code: int, **headers: str) -> Callable[[http.server.BaseHTTPRequestHandler], None]:
    """An answer with this status and these headers (underscores become dashes)."""

    def answer(handler: http.server.BaseHTTPRequestHandler) -> None:
        handler.send_response(code)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    return answer


def certificate(folder: Path, name: str) -> Path:
    """A self-signed certificate for 127.0.0.1; its key lies beside it."""
    path = folder / f"{name}.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
         "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1", "-addext",
         "subjectAltName=IP:127.0.0.1", "-keyout", path.with_suffix(".key"), "-out", path],
        check=True, capture_output=True,
    )  # fmt: skip
    return path

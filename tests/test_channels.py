"""A channel sends a message once, in bounded time, or says why not without giving a secret away."""

import base64
import contextlib
import hashlib
import hmac
import json
import logging
import socket
import threading
import time

import pandas as pd
import pytest

from mlops_helpers.channels import (
    ChannelError,
    LogChannel,
    MailChannel,
    PartlySentError,
    WebhookChannel,
)
from mlops_helpers.messages import Message
from tests.receivers import answering, certificate, hook_server, mail_server
from tests.servers import free_port
from tests.test_messages import message

PEOPLE = ("ann@example.org", "bob@example.org")


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch):
    """Loopback is reached directly, whatever the machine's settings."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")


def mail_to(port, **other):
    """A mail channel to a server on loopback."""
    return MailChannel(
        **{"host": "127.0.0.1", "port": port, "sender": "mlops@example.org", "recipients": PEOPLE}
        | {"timeout": 5.0}
        | other
    )


def silent():
    """A socket that takes connections and never says a word."""
    listening = socket.create_server(("127.0.0.1", 0))
    return listening, listening.getsockname()[1]


def test_the_log_gets_one_line_at_the_level_of_the_severity(caplog):
    """High is an error, recovery is information, and a name cannot forge a second entry."""
    with caplog.at_level(logging.INFO, "mlops_helpers.alerts"):
        LogChannel().send(message(subject="age\nCRITICAL forged"))
        LogChannel().send(message("resolved"))
    assert [record.levelname for record in caplog.records] == ["ERROR", "INFO"]
    assert "\n" not in caplog.records[0].getMessage()
    assert "look at the feed" in caplog.records[0].getMessage()


def test_a_mail_arrives_with_its_words_and_headers():
    """All recipients, the words, a Message-ID of the delivery, the date of the event."""
    with mail_server() as server:
        mail_to(server.port).send(message(owner="Åsa"))
        mail_to(server.port).send(message(owner="Åsa"))
    first, again = server.mails
    assert first["Subject"] == "[high] score drift (age) opened"
    assert first["To"] == "ann@example.org, bob@example.org"
    assert first["From"] == "mlops@example.org"
    assert first["Message-ID"] == again["Message-ID"] == "<d1@example.org>"
    assert first["References"] == "<a1@example.org>"
    assert first["Date"].datetime == message().event_at
    assert first["Auto-Submitted"] == "auto-generated"
    assert first.get_content().strip().splitlines() == message(owner="Åsa").text.splitlines()


def test_a_subject_cannot_add_a_header():
    """A feature named with a line break and `Bcc:` is a strange subject, not a recipient."""
    with mail_server() as server:
        mail_to(server.port).send(message(subject="age\r\nBcc: evil@example.org\r\n\r\nbody"))
    assert server.mails[0]["Bcc"] is None
    assert "Bcc: evil@example.org" in server.mails[0]["Subject"]


def test_a_mail_server_that_is_not_there():
    """Refused connection: an error that names the server."""
    port = free_port()
    with pytest.raises(ChannelError, match=rf"mail server 127\.0\.0\.1:{port}: Connection"):
        mail_to(port).send(message())


def test_a_mail_server_that_says_nothing():
    """A server that hangs costs its time limit, not more."""
    listening, port = silent()
    began = time.monotonic()
    with listening, pytest.raises(ChannelError, match="timed out"):
        mail_to(port, timeout=0.3).send(message())
    assert time.monotonic() - began < 3


def test_a_mail_server_that_hangs_up():
    """The connection is closed in the middle of the greeting."""
    listening, port = silent()

    def hang_up():
        listening.accept()[0].close()

    thread = threading.Thread(target=hang_up)
    thread.start()
    with listening, pytest.raises(ChannelError, match=f"mail server 127.0.0.1:{port}"):
        mail_to(port).send(message())
    thread.join()


def test_a_mail_that_is_refused():
    """An answer other than 2xx is an error with its code and words."""
    with mail_server() as server:
        server.answer = lambda: "451 try again later"
        with pytest.raises(ChannelError, match="answered 451: try again later"):
            mail_to(server.port).send(message())
    assert server.mails == []


def test_one_refused_recipient_does_not_cost_the_others_theirs():
    """The mail goes to those who exist; the complaint names the other."""
    with mail_server() as server:
        server.refused = {"bob@example.org"}
        with pytest.raises(PartlySentError, match=r"refused bob@example\.org \(550 no such"):
            mail_to(server.port).send(message())
        assert len(server.mails) == 1
        server.refused = set(PEOPLE)
        with pytest.raises(ChannelError, match="refused every recipient: ann@") as caught:
            mail_to(server.port).send(message())
    assert not isinstance(caught.value, PartlySentError)
    assert len(server.mails) == 1


def test_encrypted_and_logged_in(tmp_path):
    """STARTTLS with a certificate that is verified, then the password, then the mail."""
    ours = certificate(tmp_path, "ours")
    with mail_server(certificate=ours, login=True) as server:
        known = {"starttls": True, "ca_file": str(ours), "username": "robot"}
        mail_to(server.port, **known, password="right").send(message())
        assert len(server.mails) == 1
        with pytest.raises(ChannelError, match="answered 535: the login was refused") as caught:
            mail_to(server.port, **known, password="wr0ng-secret").send(message())
        assert "wr0ng-secret" not in str(caught.value)
        assert caught.value.__cause__ is None
    assert server.logins[0] == ("robot", "right")


def test_a_strangers_certificate_gets_neither_password_nor_mail(tmp_path):
    """Another certificate than the one trusted: nothing is said to that server."""
    theirs, ours = certificate(tmp_path, "theirs"), certificate(tmp_path, "ours")
    with mail_server(certificate=theirs, login=True) as server:
        channel = mail_to(
            server.port, starttls=True, ca_file=str(ours), username="robot", password="right"
        )
        with pytest.raises(ChannelError, match="CERTIFICATE_VERIFY_FAILED"):
            channel.send(message())
    assert server.logins == []
    assert server.mails == []


def test_no_encryption_no_mail():
    """A server that does not offer STARTTLS gets nothing: there is no way back to plain text."""
    refused = pytest.raises(ChannelError, match="STARTTLS extension not supported")
    with mail_server() as server, refused:
        mail_to(server.port, starttls=True).send(message())
    assert server.mails == []


def test_secrets_are_not_shown():
    """Neither password, nor secret, nor the path of a webhook is in a `repr`."""
    mail = mail_to(25, starttls=True, username="robot", password="hunter2")
    hook = WebhookChannel("https://hooks.example.org/T0/secret-path?key=k", secret="shh-secret")
    for shown in (repr(mail), str(mail), repr(hook), str(hook)):
        for secret in ("hunter2", "secret-path", "key=k", "shh-secret"):
            assert secret not in shown
    assert "hooks.example.org" in repr(hook)


def test_channels_that_could_never_work_are_refused():
    """Mistakes are found when the channel is made."""
    for wrong, told in (
        ({"recipients": ()}, "at least one"),
        ({"recipients": "ann@example.org"}, "pass a tuple"),
        ({"recipients": ("ann",)}, "name@domain"),
        ({"sender": "a@b.c\nBcc: x@y.z"}, "name@domain"),
        ({"username": "robot", "password": "p"}, "without starttls"),
        ({"timeout": 0}, "timeout == 0"),
    ):
        with pytest.raises(ValueError, match=told):
            mail_to(25, **wrong)
    for url, told in (
        ("file:///etc/passwd", "scheme 'file'"),
        ("ftp://example.org/x", "scheme 'ftp'"),
        ("example.org/x", "scheme ''"),
        ("https://user:word@example.org/", "holds a user or password"),
        ("https://example.org/a b", "%-encoded"),
        ("https://example.org/a\nb", "%-encoded|host"),
    ):
        with pytest.raises(ValueError, match=told):
            WebhookChannel(url)
    with pytest.raises(ValueError, match="secret is empty"):
        WebhookChannel("https://example.org/", secret="")
    with pytest.raises(ValueError, match="timeout == -1"):
        WebhookChannel("https://example.org/", timeout=-1)


def test_a_webhook_gets_signed_json():
    """The body is the message, the signature proves who wrote it, the key marks a repeat."""
    with hook_server() as hook:
        channel = WebhookChannel(hook.url, secret="shared", timeout=5)
        channel.send(message())
        channel.send(message())
        WebhookChannel(hook.url, timeout=5).send(message())
    first, again, unsigned = hook.posts
    assert Message.from_json(first.body.decode()) == message()
    assert json.loads(first.body)["event_at"] == "2024-02-01T00:00:00+00:00"
    assert first.path == "/hook/token-in-the-path"
    expected = hmac.new(b"shared", first.body, hashlib.sha256).hexdigest()
    assert first.headers["x-signature-256"] == f"sha256={expected}"
    assert first.headers["idempotency-key"] == "d1"
    assert (again.body, again.headers) == (first.body, first.headers)
    assert "x-signature-256" not in unsigned.headers
    assert first.headers["content-type"] == "application/json"


@pytest.mark.parametrize("code", [400, 401, 404, 410, 429, 500, 503])
def test_a_webhook_that_answers_with_an_error(code):
    """Anything but 2xx is a failure with its status; the path is not told."""
    with hook_server() as hook:
        hook.answer = answering(code)
        with pytest.raises(ChannelError, match=rf"127\.0\.0\.1:{hook.port} answered {code}$") as e:
            WebhookChannel(hook.url, timeout=5).send(message())
    assert "token" not in str(e.value)
    assert e.value.retry_after is None


def test_a_webhook_may_ask_for_time():
    """Retry-After in seconds is passed on; nonsense is not."""
    with hook_server() as hook:
        for given, asked in (("120", pd.Timedelta(minutes=2)), ("Fri, 31 Dec", None), ("-1", None)):
            hook.answer = answering(429, Retry_After=given)
            with pytest.raises(ChannelError) as caught:
                WebhookChannel(hook.url, timeout=5).send(message())
            assert caught.value.retry_after == asked


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
def test_redirects_are_not_followed(code):
    """What was meant for one receiver goes to no other, however it is redirected."""
    with hook_server() as hook, hook_server() as elsewhere:
        hook.answer = answering(code, Location=elsewhere.url)
        with pytest.raises(ChannelError, match=f"answered {code}; redirects are not followed"):
            WebhookChannel(hook.url, secret="shared", timeout=5).send(message())
        assert elsewhere.posts == []


def test_a_webhook_that_hangs_closes_or_is_not_there():
    """Time limit, closed connection and refused connection are failures in bounded time."""
    listening, port = silent()
    with listening, pytest.raises(ChannelError, match="did not answer: TimeoutError"):
        WebhookChannel(f"http://127.0.0.1:{port}/token", timeout=0.3).send(message())
    with hook_server() as hook:
        hook.answer = lambda handler: handler.connection.shutdown(socket.SHUT_RDWR)
        with pytest.raises(ChannelError, match="did not answer: RemoteDisconnected"):
            WebhookChannel(hook.url, timeout=5).send(message())
    with pytest.raises(ChannelError, match="did not answer: ConnectionRefusedError") as caught:
        WebhookChannel(f"http://127.0.0.1:{free_port()}/token", timeout=5).send(message())
    assert "token" not in str(caught.value)


def test_a_webhook_that_talks_no_http():
    """An answer that is no HTTP is a failure, not a traceback."""
    listening, port = silent()

    def babble():
        connection = listening.accept()[0]
        connection.recv(65536)
        connection.sendall(b"220 mail.example.org ESMTP\r\n")
        connection.close()

    thread = threading.Thread(target=babble)
    thread.start()
    with listening, pytest.raises(ChannelError, match="did not answer: BadStatusLine"):
        WebhookChannel(f"http://127.0.0.1:{port}/", timeout=5).send(message())
    thread.join()


@contextlib.contextmanager
def scripted(**answers):
    """A mail server that says to a command (in capitals) what it is told to, else 250."""
    listening = socket.create_server(("127.0.0.1", 0))
    talk = {"DATA": "354 go on", "QUIT": "221 bye"} | answers

    def serve():
        connection = listening.accept()[0]
        with connection, connection.makefile("rb") as lines:
            connection.sendall(b"220 here\r\n")
            within = False
            for line in lines:
                if within and line != b".\r\n":
                    continue
                word = "." if within else line.split()[0].decode().upper().rstrip()
                word = f"RCPT {line.split(b'<')[1][:3].decode()}" if word == "RCPT" else word
                within = word == "DATA"
                answer = talk.get(word, "250 fine")
                if answer is None:
                    return
                connection.sendall(f"{answer}\r\n".encode())

    thread = threading.Thread(target=serve)
    thread.start()
    with listening:
        yield listening.getsockname()[1]
    thread.join(30)


@pytest.mark.parametrize("goodbye", ["421 busy", "500 what?", None])
def test_a_mail_that_was_taken_is_sent_whatever_follows(goodbye):
    """An odd answer to QUIT, or none: the mail is the server's already, and not sent again."""
    with scripted(QUIT=goodbye) as port:
        mail_to(port).send(message())


@pytest.mark.parametrize("goodbye", ["421 busy", "500 what?", None])
def test_an_odd_goodbye_hides_no_refusal(goodbye):
    """Who was refused is told, also when the server ends oddly."""
    with (
        scripted(**{"RCPT bob": "550 no such person", "QUIT": goodbye}) as port,
        pytest.raises(PartlySentError, match="refused bob"),
    ):
        mail_to(port).send(message())
    with (
        scripted(**{".": "554 spam", "QUIT": goodbye}) as port,
        pytest.raises(ChannelError, match="answered 554: spam"),
    ):
        mail_to(port).send(message())


def test_a_login_that_comes_back_encoded_is_not_repeated():
    """Plain, as LOGIN sends it, as PLAIN does, wrapped over lines: the words are left out."""
    mail = mail_to(25, starttls=True, username="robot", password="hunter2 of mine")
    for sent in ("hunter2 of mine", "\0robot\0hunter2 of mine", "robot\0robot\0hunter2 of mine"):
        encoded = base64.b64encode(sent.encode()).decode()
        for told in (sent, f"cannot use {encoded}", f"no {encoded[:9]}\r\n {encoded[9:]}"):
            assert mail._without_secrets(told.encode()) == (
                "its words are left out: they repeat the login"
            )
    assert mail._without_secrets(b"451 try later") == "451 try later"

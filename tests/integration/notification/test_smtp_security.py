"""TLS and login, as SMTP_URL asks for them: nothing of an e-mail leaves in the clear, and nothing is lost."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trustme
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, Session

from tests.eventually import eventually
from tests.integration.notification.conftest import Notification, StartNotification
from tests.snapshots import make_registration, make_seminar

# Of the server that is tried against: under TLS from the start it does not know that it is under TLS.
pytestmark = [
    pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS:UserWarning"),
    pytest.mark.filterwarnings("ignore:Session.login_data is deprecated"),
]
USER, PASSWORD = "fagseminar@example.no", "p@ss word/1"
LOGIN = "fagseminar%40example.no:p%40ss%20word%2F1"


class Server:
    """Takes e-mails from whoever has logged in under TLS."""

    def __init__(self, *, start_tls: ssl.SSLContext | None) -> None:
        self.port = 0
        self.taken: list[bytes] = []
        self.greeted = 0
        self._start_tls = start_tls

    async def handle_DATA(self, _server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802 - the library's name
        assert session.authenticated
        self.taken.append(envelope.content if isinstance(envelope.content, bytes) else b"")
        return "250 taken"

    def protocol(self) -> SMTP:
        self.greeted += 1
        return SMTP(
            self,
            tls_context=self._start_tls,
            require_starttls=self._start_tls is not None,
            auth_required=True,
            auth_require_tls=self._start_tls is not None,
            authenticator=self._judge,
        )

    def _judge(
        self, _server: SMTP, _session: Session, _envelope: Envelope, _mechanism: str, given: object
    ) -> AuthResult:
        login, password = getattr(given, "login", b""), getattr(given, "password", b"")
        right = (login, password) == (USER.encode(), PASSWORD.encode())
        return AuthResult(success=right, handled=right)  # else the library says so


@asynccontextmanager
async def serving(
    *, start_tls: ssl.SSLContext | None = None, tls: ssl.SSLContext | None = None
) -> AsyncIterator[Server]:
    server = Server(start_tls=start_tls)
    listener = await asyncio.get_running_loop().create_server(server.protocol, "127.0.0.1", 0, ssl=tls)
    server.port = listener.sockets[0].getsockname()[1]
    yield server
    listener.close()


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def tls(authority: trustme.CA) -> ssl.SSLContext:
    """Return what the server shows: a certificate for localhost."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost").configure_cert(context)
    return context


@pytest.fixture
def trusted(authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have this machine trust the authority."""
    authority.cert_pem.write_to_path(str(tmp_path / "authority.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))


async def owing(start: StartNotification, url: str) -> Notification:
    notification = await start(smtp_url=url)
    await notification.learn(make_seminar(reminders=()), make_registration())
    return notification


async def tried(notification: Notification) -> str:
    """Return what the only e-mail's first attempt came to."""

    async def look() -> str | None:
        (row,) = await notification.rows()
        return str(row["state"]) if row["attempts"] and row["state"] != "sending" else None

    return await eventually(look)


@pytest.mark.usefixtures("trusted")
async def test_an_e_mail_leaves_under_starttls_after_login(start: StartNotification, tls: ssl.SSLContext) -> None:
    async with serving(start_tls=tls) as server:
        notification = await owing(start, f"smtp+starttls://{LOGIN}@localhost:{server.port}")

        assert await tried(notification) == "sent"
        assert len(server.taken) == 1


@pytest.mark.usefixtures("trusted")
async def test_an_e_mail_leaves_under_tls_from_the_start(start: StartNotification, tls: ssl.SSLContext) -> None:
    async with serving(tls=tls) as server:
        notification = await owing(start, f"smtps://{LOGIN}@localhost:{server.port}")

        assert await tried(notification) == "sent"
        assert len(server.taken) == 1


async def test_to_a_server_whose_certificate_is_not_trusted_nothing_leaves_and_nothing_is_lost(
    start: StartNotification, tls: ssl.SSLContext
) -> None:
    async with serving(tls=tls) as server:
        notification = await owing(start, f"smtps://{LOGIN}@localhost:{server.port}")

        assert await tried(notification) == "pending"
        assert server.taken == []


@pytest.mark.usefixtures("trusted")
async def test_a_server_that_offers_no_starttls_gets_neither_password_nor_e_mail(start: StartNotification) -> None:
    async with serving() as server:
        notification = await owing(start, f"smtp+starttls://{LOGIN}@localhost:{server.port}")

        assert await tried(notification) == "pending"
        assert server.greeted
        assert server.taken == []


@pytest.mark.usefixtures("trusted")
async def test_a_wrong_password_loses_nothing_and_is_not_in_the_log(
    start: StartNotification, tls: ssl.SSLContext, capfd: pytest.CaptureFixture[str]
) -> None:
    async with serving(start_tls=tls) as server:
        notification = await owing(
            start, f"smtp+starttls://{USER.replace('@', '%40')}:hemmelig@localhost:{server.port}"
        )

        assert await tried(notification) == "pending"
        assert server.taken == []
    assert "hemmelig" not in "".join(capfd.readouterr())

from collections.abc import AsyncIterator
from email.message import EmailMessage
from pathlib import Path

import aiosmtplib
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from local import mailbox as mail
from local.mailbox import MAILBOX, Mailbox
from shared.metrics import Metrics
from shared.web.keys import METRICS
from shared.web.middleware import MIDDLEWARES

Client = TestClient[web.Request, web.Application]


@pytest.fixture
def mailbox(tmp_path: Path) -> Mailbox:
    return Mailbox(tmp_path)


@pytest.fixture
async def client(mailbox: Mailbox) -> AsyncIterator[Client]:
    app = web.Application(middlewares=MIDDLEWARES)
    app[MAILBOX], app[METRICS] = mailbox, Metrics()
    app.add_routes(mail.ROUTES)
    async with TestClient(TestServer(app)) as started:
        yield started


def make_message(subject: str) -> EmailMessage:
    message = EmailMessage()
    message["From"] = "post@example.no"
    message["To"] = "Kåre Ærlig <kare@example.no>"
    message["Subject"] = subject
    message["Date"] = "Mon, 22 May 2023 09:00:00 +0200"
    message.set_content("Hei på deg\n.\n..to prikker\n")
    return message


async def send(mailbox: Mailbox, *subjects: str) -> None:
    async with mailbox.serving() as port, aiosmtplib.SMTP(hostname="127.0.0.1", port=port) as smtp:
        for subject in subjects:
            await smtp.send_message(make_message(subject))


async def test_what_is_sent_by_smtp_is_listed_in_its_order_with_its_headers(mailbox: Mailbox, client: Client) -> None:
    await send(mailbox, "Først – æøå", "Så")

    items = (await (await client.get("/mailbox/messages")).json())["items"]

    assert [item["subject"] for item in items] == ["Først – æøå", "Så"]
    assert items[0]["to"] == "kare@example.no"
    assert items[0]["headers"]["To"] == "Kåre Ærlig <kare@example.no>"
    assert items[0]["date"] == "Mon, 22 May 2023 09:00:00 +0200"
    assert items[0]["headers"]["From"] == "post@example.no"


async def test_a_message_is_given_as_it_came_with_its_lone_dots(mailbox: Mailbox, client: Client) -> None:
    await send(mailbox, "Prikker")
    (item,) = (await (await client.get("/mailbox/messages")).json())["items"]

    answer = await client.get(f"/mailbox/messages/{item['id']}")

    assert answer.content_type == "message/rfc822"
    assert b"\r\n.\r\n..to prikker\r\n" in await answer.read()


async def test_messages_are_kept_for_the_next_start(mailbox: Mailbox, tmp_path: Path) -> None:
    await send(mailbox, "Varig")

    assert [message.subject for message in Mailbox(tmp_path).received.values()] == ["Varig"]


@pytest.mark.parametrize("identifier", ["nothing", "..%2F..%2Fetc%2Fpasswd", "%00"])
async def test_what_is_no_message_is_not_found(client: Client, identifier: str) -> None:
    assert (await client.get(f"/mailbox/messages/{identifier}")).status == 404

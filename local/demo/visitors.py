"""What attendees and organisers do, over HTTP alone, and again where a service died under their hands."""

import asyncio
import email
import re
from collections import Counter
from collections.abc import Callable, Sequence
from email.policy import default
from typing import Any
from uuid import UUID, uuid4

import aiohttp

from local.demo.people import Person
from local.up import EXAMPLE

SEMINAR = EXAMPLE.stem
AWAY = (502, 503)  # the proxy's words for a service that died before it answered
PATIENCE = 30.0  # seconds that one goes on trying
PAUSE = 0.2  # seconds between tries
AT_ONCE = 8  # people at their keys at the same time


class Visitors:
    """Everybody outside, and what they were answered."""

    def __init__(self, session: aiohttp.ClientSession, url: str, token: str) -> None:
        self._session = session
        self._url = url
        self._organiser = {"Authorization": f"Bearer {token}"}
        self._places = asyncio.Semaphore(AT_ONCE)
        self.registered: set[UUID] = set()  # what was answered to sign-ups
        self.tries_again = 0
        self.on_answer: Callable[[], None] = lambda: None  # called for each sign-up that was answered

    async def sign_up(self, people: Sequence[Person], attendance: str) -> Counter[str]:
        """Have people sign up, some at a time; return how many got which outcome, or the type of their refusal."""
        return Counter(await asyncio.gather(*(self._sign_up(person, attendance) for person in people)))

    async def _sign_up(self, person: Person, attendance: str) -> str:
        body = {"seminar": SEMINAR, "attendance": attendance, **person._asdict()}
        async with self._places:
            status, answer = await self._ask(
                "POST", "/api/registrations", json=body, headers={"Idempotency-Key": str(uuid4())}
            )
        self.on_answer()
        if status == 202:  # noqa: PLR2004 - Accepted
            self.registered.add(UUID(answer["id"]))
            return str(answer["outcome"])
        return str(answer["type"]).rpartition("/")[2]

    async def cancel(self, people: Sequence[Person]) -> None:
        """Have people withdraw by their mailed links."""
        await self._by_link(people, "cancel", {})

    async def switch(self, people: Sequence[Person], attendance: str) -> None:
        """Have people change how they attend, by their mailed links."""
        await self._by_link(people, "attendance", {"attendance": attendance})

    async def _by_link(self, people: Sequence[Person], action: str, form: dict[str, str]) -> None:
        messages = {message["to"]: message["id"] for message in await self.mailbox()}
        for person in people:
            link = await self._link(messages[person.email])
            status, answer = await self._ask("POST", f"{link}/{action}", data=form)
            if status != 303:  # noqa: PLR2004 - See Other
                raise RuntimeError(f"{action} by the mailed link: answered {status}: {answer}")

    async def _link(self, message: str) -> str:
        _, raw = await self._ask("GET", f"/mailbox/messages/{message}")
        parsed = email.message_from_bytes(raw, policy=default)
        text = parsed.get_body(("plain",))
        found = re.search(r"/my/[\w-]+", text.get_content() if text else "")
        if found is None:
            raise RuntimeError("an e-mail carries no link to the registration")
        return found[0]

    async def mailbox(self) -> list[dict[str, Any]]:
        """Return every message that was ever received, the oldest first."""
        _, answer = await self._ask("GET", "/mailbox/messages")
        messages: list[dict[str, Any]] = answer["items"]
        return messages

    async def organise(self, method: str, path: str, body: object = None) -> None:
        """Do what an organiser does to the seminar; raises RuntimeError when it is refused."""
        status, answer = await self._ask(method, f"/api/seminars/{SEMINAR}/{path}", json=body, headers=self._organiser)
        if status >= 400:  # noqa: PLR2004 - an error
            raise RuntimeError(f"{method} {path}: answered {status}: {answer}")

    async def move_clock(self, to: str) -> None:
        """Move everybody's clock."""
        status, answer = await self._ask("POST", "/time", json={"to": to})
        if status != 200:  # noqa: PLR2004 - OK
            raise RuntimeError(f"the clock does not move to {to}: {answer}")

    async def read(self, path: str) -> str:
        """Return a page's HTML."""
        _, page = await self._ask("GET", path)
        return str(page.decode())

    async def _ask(self, method: str, path: str, **request: Any) -> tuple[int, Any]:
        """Ask until there is an answer of the service itself: the same request may be sent again, with the same key."""
        deadline = asyncio.get_running_loop().time() + PATIENCE
        while True:
            try:
                async with self._session.request(method, self._url + path, allow_redirects=False, **request) as answer:
                    if answer.status not in AWAY:
                        is_json = answer.content_type.endswith("json")
                        return answer.status, await (answer.json(content_type=None) if is_json else answer.read())
            except aiohttp.ClientConnectionError:
                pass
            if asyncio.get_running_loop().time() > deadline:
                raise RuntimeError(f"{method} {path.split('/')[1]}: no answer within {PATIENCE:g} s")
            self.tries_again += 1
            await asyncio.sleep(PAUSE)

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from tests.integration.registration.door import Hall, hall_on
from tests.integration.registration.seminar import Seminar, opened


@pytest.fixture
async def url(new_database: Callable[[str], Awaitable[str]]) -> str:
    return await new_database("registration")


@pytest.fixture
async def seminar(url: str) -> AsyncIterator[Seminar]:
    async with opened(url) as database:
        known = Seminar(database)
        await known.revise(capacity=2)
        yield known


@pytest.fixture
async def hall(url: str) -> AsyncIterator[Hall]:
    """Know the seminar, with two seats in the room."""
    async with hall_on(url) as hall:
        await hall.learn(capacity=2)
        yield hall

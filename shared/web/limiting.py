"""Rate limits over HTTP: who is counted, and how one who has to wait is told so (429, RFC 6585, 4).

A handler that anybody can call and that costs something begins with `limit_client`, and where somebody names an e-mail
address goes on with `limit_address`. Both come before the database is asked, so that who is known and who is not are
answered alike. `exempt` clients and, under `RATE_LIMIT=off`, all are let through.
"""

import math
import time
from functools import lru_cache, partial

from aiohttp import web

from shared.limits import Limit, Limits, Meter
from shared.web.clients import Networks, client_address, is_within, subscriber
from shared.web.problems import Problem

CLIENTS = 4096  # whose addresses need not be read anew
OWN_TRIES = 2  # for an address, by a client, when others have used up what it has


class RateLimitedError(Problem):
    """Somebody has to wait, for `wait` seconds."""

    def __init__(self, wait: float) -> None:
        self.wait = math.ceil(wait)
        title = "Too much has come from you, or for this address, in a short time"
        super().__init__(429, "rate-limited", title, headers={"Retry-After": str(self.wait)})

    @property
    def minutes(self) -> int:
        """The same for people, rounded up."""
        return math.ceil(self.wait / 60)


class Limiter:
    """What one process counts of a service's clients; `now` is monotonic, in seconds."""

    def __init__(self, limits: Limits, proxies: Networks = ()) -> None:
        self._is_exempt = lru_cache(CLIENTS)(partial(is_within, networks=limits.exempt))
        self.client_address = lru_cache(CLIENTS)(partial(client_address, trusted=proxies))
        self._clients = limits.client and Meter(limits.client)
        self._addresses = limits.address and Meter(limits.address)
        self._own = limits.address and Meter(Limit(OWN_TRIES, limits.address.seconds))
        self._wrong_tokens = limits.sign_in and Meter(limits.sign_in)

    def client(self, client: str, now: float) -> float:
        """Count something that `client` asks for, and return 0; else return how many seconds it has to wait."""
        if self._clients is None or self._is_exempt(client):
            return 0.0
        return self._clients.take(subscriber(client), now)

    def address(self, email: str, client: str, now: float) -> float:
        """Count something that `client` asks for an e-mail address, and return 0; else return the seconds to wait.

        Nobody can use up an address for its owner: whoever has not tried lately still can, from another network.
        """
        if self._addresses is None or self._own is None or self._is_exempt(client):
            return 0.0
        name = email.strip().lower()
        own = f"{subscriber(client)} {name}"
        wait = self._addresses.take(name, now)
        if wait and self._own.wait(own, now):
            return wait
        self._own.count(own, now)
        return 0.0

    def sign_in(self, client: str, now: float) -> float:
        """Return how many seconds `client` has to wait before it may present an organiser's token."""
        if self._wrong_tokens is None or self._is_exempt(client):
            return 0.0
        return self._wrong_tokens.wait(subscriber(client), now)

    def wrong_token(self, client: str, now: float) -> None:
        """Count a wrong token."""
        if self._wrong_tokens is not None:
            self._wrong_tokens.count(subscriber(client), now)


LIMITER = web.AppKey("LIMITER", Limiter)


def client_of(request: web.Request) -> str:
    """Return the client's address."""
    forwarded = tuple(request.headers.getall("X-Forwarded-For", ()))
    return request.app[LIMITER].client_address(request.remote, forwarded)


def limit_client(request: web.Request) -> None:
    """Count the request; raises RateLimitedError."""
    _admit(request.app[LIMITER].client(client_of(request), time.monotonic()))


def limit_address(request: web.Request, email: str) -> None:
    """Count the request for an e-mail address; raises RateLimitedError."""
    _admit(request.app[LIMITER].address(email, client_of(request), time.monotonic()))


def limit_sign_in(request: web.Request) -> None:
    """Raise RateLimitedError if too many wrong tokens came from the client."""
    _admit(request.app[LIMITER].sign_in(client_of(request), time.monotonic()))


def count_wrong_token(request: web.Request) -> None:
    """Count a wrong token of the client's."""
    request.app[LIMITER].wrong_token(client_of(request), time.monotonic())


def _admit(wait: float) -> None:
    if wait:
        raise RateLimitedError(wait)

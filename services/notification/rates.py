"""How fast e-mails may leave this process, overall and to one domain: meters on monotonic time (GCRA)."""

import time
from collections import OrderedDict
from collections.abc import Callable

BURST = 1.0  # seconds' worth that may leave at once
MOST_DOMAINS = 10_000  # the least recently used are forgotten


class Meter:
    """Lets `rate` a second through, evenly after a burst; without a rate everything at once."""

    def __init__(self, rate: float | None, clock: Callable[[], float] = time.monotonic) -> None:
        self._interval = 1 / rate if rate else 0.0
        self._clock = clock
        self._next = 0.0  # when the next one may leave if they leave evenly
        self._again = 0.0  # when the last one that was put off is to ask again

    def book(self, patience: float) -> float:
        """Return the seconds until one's turn, which is taken if that is within `patience` seconds.

        If not, they are the seconds until it is worth asking again: each who is put off asks when a turn may be free.
        """
        if not self._interval:
            return 0.0
        now = self._clock()
        turn = max(self._next, now - max(BURST - self._interval, 0.0))
        if turn - now > patience:
            self._again = max(self._again, turn) + self._interval
            return self._again - now
        self._next = turn + self._interval
        return max(0.0, turn - now)


class Rates:
    """A meter for all e-mails, and one for each domain that they go to."""

    def __init__(
        self, overall: float | None, domain: float | None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._overall = Meter(overall, clock)
        self._rate = domain
        self._clock = clock
        self._domains: OrderedDict[str, Meter] = OrderedDict()

    def book(self, domain: str, patience: float) -> float:
        """Return the seconds until an e-mail to `domain` may leave, or may ask again if that is above `patience`."""
        wait = self._meter(domain).book(patience) if self._rate else 0.0
        return wait if wait > patience else max(wait, self._overall.book(patience))

    def _meter(self, domain: str) -> Meter:
        meter = self._domains.setdefault(domain, Meter(self._rate, self._clock))
        self._domains.move_to_end(domain)
        if len(self._domains) > MOST_DOMAINS:
            self._domains.popitem(last=False)
        return meter

"""What stands in an exposition, read as Prometheus reads it."""

from aiohttp import ClientResponse
from prometheus_client.parser import text_string_to_metric_families


class Scraped:
    """Every sample by its name and labels."""

    def __init__(self, text: str) -> None:
        families = list(text_string_to_metric_families(text))
        samples = [sample for family in families for sample in family.samples]
        self._samples = {(sample.name, frozenset(sample.labels.items())): sample.value for sample in samples}
        names = [family.name for family in families]
        assert len(samples) == len(self._samples), "a sample stands twice"
        assert len(names) == len(set(names)), "a family stands twice"
        self.text = text

    def get(self, name: str, **labels: str) -> float | None:
        """Return the value; None where there is no such sample."""
        return self._samples.get((name, frozenset(labels.items())))

    def labels(self, name: str) -> list[dict[str, str]]:
        """Return the labels of every sample of that name."""
        return [dict(labels) for found, labels in self._samples if found == name]


async def scraped(answer: ClientResponse) -> Scraped:
    assert answer.status == 200, await answer.text()
    assert answer.headers["Content-Type"].startswith("text/plain; version=")
    return Scraped(await answer.text())

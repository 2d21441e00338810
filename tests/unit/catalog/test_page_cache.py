"""Which rendered pages are kept, and for how long."""

from datetime import timedelta

from services.catalog.page_cache import Page, PageCache
from tests.factories import NOW

INSTANT = timedelta(microseconds=1)


def test_a_page_is_kept_up_to_the_instant_from_which_it_is_not_true() -> None:
    cache = PageCache()
    page = cache.keep("key", Page.of("a page", NOW))

    assert cache.get("key", NOW - INSTANT) == page
    assert cache.get("key", NOW) is None


def test_a_page_that_time_does_not_change_is_kept() -> None:
    cache = PageCache()
    page = cache.keep("key", Page.of("a page", None))

    assert cache.get("key", NOW + timedelta(days=1000)) == page


def test_there_is_room_for_so_many_and_who_was_asked_for_longest_ago_goes() -> None:
    cache = PageCache(most=2)
    first, _ = (cache.keep(name, Page.of(name, None)) for name in ("first", "second"))
    cache.get("first", NOW)
    third = cache.keep("third", Page.of("third", None))

    assert [cache.get(name, NOW) for name in ("first", "second", "third")] == [first, None, third]


def test_what_takes_the_place_of_a_page_takes_no_other_room() -> None:
    cache = PageCache(most=2)
    for text in ("first", "second", "third"):
        cache.keep("same", Page.of(text, None))
    other = cache.keep("other", Page.of("other", None))

    assert cache.get("same", NOW) == Page.of("third", None)
    assert cache.get("other", NOW) == other


def test_a_tag_is_the_same_for_the_same_text_and_another_for_another() -> None:
    assert Page.of("a", None).etag == Page.of("a", NOW).etag != Page.of("b", None).etag

"""An organiser's Markdown: as HTML, and in one plain sentence."""

import re
import textwrap
from itertools import pairwise

from markdown_it import MarkdownIt
from markdown_it.token import Token

MARKDOWN = MarkdownIt("commonmark", {"html": False})  # an organiser's HTML is shown as text, never obeyed
SENTENCE = re.compile(r".+?(?<!\d)[.!?…](?=\s+[«\"]?[A-ZÆØÅ]|$)")  # "1. juni" and "1. Bolk" go on
LONGEST = 300  # characters; whoever shows a page's description cuts it sooner


def as_html(text: str) -> str:
    """Return the HTML of a text in Markdown."""
    return str(MARKDOWN.render(text))


def first_sentence(text: str) -> str:
    """Return the first sentence of a text in Markdown, without its marks; headings are passed over."""
    spoken = (inside for opening, inside in pairwise(MARKDOWN.parse(text)) if opening.type == "paragraph_open")
    plain = next((shortened(_plain(inside.children or [])) for inside in spoken), "")
    found = SENTENCE.match(plain)
    return found[0] if found else plain


def shortened(text: str) -> str:
    """Return `text` on one line, cut between words if it is too long for a description."""
    return textwrap.shorten(text, LONGEST, placeholder=" …")


def _plain(tokens: list[Token]) -> str:
    return "".join(" " if token.type in ("softbreak", "hardbreak") else token.content for token in tokens)

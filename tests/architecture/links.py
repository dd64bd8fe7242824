"""Links of a Markdown document: where they lead, and which of them lead nowhere."""

import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from urllib.parse import unquote, urlsplit

from markdown_it import MarkdownIt
from markdown_it.token import Token

MARKDOWN = MarkdownIt("commonmark").enable("table")
TARGETS = {"link_open": "href", "image": "src"}


def targets(text: str) -> list[str]:
    """Where the links and images of a document lead, in order."""
    return [str(token.attrs[TARGETS[token.type]]) for token in _tokens(text) if token.type in TARGETS]


def anchors(text: str) -> set[str]:
    """The anchors of a document's headings, as the common forges name them."""
    given: dict[str, int] = {}
    names = set()
    blocks = MARKDOWN.parse(text)
    for heading, inline in pairwise(blocks):
        if heading.type == "heading_open":
            words = "".join(child.content for child in inline.children or [] if child.type in {"text", "code_inline"})
            slug = re.sub(r"[^\w\- ]", "", words.strip().lower()).replace(" ", "-")
            times = given[slug] = given.get(slug, -1) + 1
            names.add(f"{slug}-{times}" if times else slug)
    return names


def broken(document: Path, root: Path) -> list[str]:
    """The links of `document` that lead to no file below `root`, or to no heading of a document."""
    return [target for target in targets(document.read_text()) if not _leads_somewhere(target, document, root)]


def _leads_somewhere(target: str, document: Path, root: Path) -> bool:
    parts = urlsplit(target)
    if parts.scheme or parts.netloc:
        return parts.scheme in {"http", "https", "mailto"}
    place = (document.parent / unquote(parts.path)).resolve() if parts.path else document
    if not place.exists() or not place.is_relative_to(root.resolve()):
        return False
    if not parts.fragment or place.suffix != ".md":
        return True
    return unquote(parts.fragment) in anchors(place.read_text())


def _tokens(text: str) -> Iterator[Token]:
    for block in MARKDOWN.parse(text):
        yield block
        yield from block.children or []

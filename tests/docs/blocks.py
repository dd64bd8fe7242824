"""The code blocks of the documents, with the place where each stands."""

import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from markdown_it import MarkdownIt

from tests.architecture.checkout import ROOT, files

MARKDOWN = MarkdownIt("commonmark").enable("table")
SHELL = "sh"


@dataclass(frozen=True, kw_only=True)
class Block:
    """One fenced block; `line` is where its first line stands."""

    document: Path
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.document.relative_to(ROOT)}:{self.line}"

    def commands(self) -> Iterator[list[str]]:
        """The commands of a shell block as words: lines that end in a backslash joined, assignments in front cut."""
        for line in self.text.replace("\\\n", " ").splitlines():
            words = shlex.split(line, comments=True)
            while words and "=" in words[0] and words[0].partition("=")[0].isidentifier():
                del words[0]
            if words:
                yield words


@cache
def documents() -> tuple[Path, ...]:
    return tuple(path for path in files() if path.suffix == ".md")


@cache
def blocks(language: str | None = None) -> tuple[Block, ...]:
    """All blocks of all documents, or those of one language."""
    return tuple(block for block in _all() if language in {None, block.language})


@cache
def _all() -> tuple[Block, ...]:
    return tuple(
        Block(document=path, line=(token.map or [0])[0] + 2, language=token.info.strip(), text=token.content)
        for path in documents()
        for token in MARKDOWN.parse(path.read_text(encoding="utf-8"))
        if token.type == "fence"
    )

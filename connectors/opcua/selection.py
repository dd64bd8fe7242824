"""Which of the nodes that a server offers are taken without being named one by one; pure."""

import re
from collections.abc import Callable, Iterable, Iterator

from connectors.opcua.browse import Found

ANY_DEPTH = "**"


def matcher(pattern: str) -> Callable[[tuple[str, ...]], bool]:
    """Tell whether names match a pattern of names: `*` is any letters of one name, `**` any number of names."""
    parts = [
        "(?:[^/]+/)*" if name == ANY_DEPTH else re.escape(name).replace(r"\*", "[^/]*") + "/"
        for name in pattern.strip("/").split("/")
    ]
    expression = re.compile("".join(parts))
    return lambda names: bool(expression.fullmatch("".join(f"{name.replace('/', '%2F')}/" for name in names)))


def depth_of(pattern: str) -> int | None:
    """Tell how many levels a pattern reaches down; None for any number."""
    names = pattern.strip("/").split("/")
    return None if ANY_DEPTH in names else len(names)


def chosen(nodes: Iterable[Found], *, pattern: str, types: frozenset[str] | None, above: int) -> Iterator[Found]:
    """Give the variables of a tree that match, each once, in its order.

    `above` is how many names of a path lie above the tree. With `types`, given as addresses, a variable is taken that
    is of one of them, or lies below an object that is.
    """
    matches = matcher(pattern)

    def walk(nodes: Iterable[Found], *, typed: bool) -> Iterator[Found]:
        for node in nodes:
            fits = typed or types is None or node.type_definition in types
            if node.variable and fits and matches(node.path[above:]):
                yield node
            yield from walk(node.children, typed=fits)

    return walk(nodes, typed=False)

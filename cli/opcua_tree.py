"""How `fieldlab source browse` shows what an OPC UA server offers."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict

from rich.markup import escape
from rich.tree import Tree

from connectors.opcua.browse import Found, variables


def lines(found: Iterable[Found]) -> Iterator[str]:
    """Write each variable as one line of JSON."""
    for node in variables(found):
        words = asdict(node)
        for key in ("children", "variable", "steps"):
            del words[key]
        yield json.dumps(words | {"path": "/".join(node.path), "by_path": node.by_path}, ensure_ascii=False)


def tree(title: str, found: Iterable[Found]) -> Tree:
    """Draw the tree, each variable with what it says of itself."""
    drawn = Tree(escape(title))
    for node in found:
        _add(drawn, node)
    return drawn


def _add(drawn: Tree, node: Found) -> None:
    branch = drawn.add(_label(node))
    for child in node.children:
        _add(branch, child)


def _label(node: Found) -> str:
    name = escape(node.path[-1])
    if not node.variable:
        return f"[bold]{name}[/]"
    span = f"{node.low:g} to {node.high:g}" if node.low is not None and node.high is not None else ""
    access = ", ".join(word for word, has in (("writable", node.writable), ("history", node.history)) if has)
    what = escape(node.quantity or "")
    said = [escape(node.type), escape(node.unit or ""), what, span, access if node.readable else "not readable"]
    words = f"  {escape(' '.join(node.description.split()))}" if node.description else ""
    return f"{name}  [dim]{'; '.join(word for word in said if word)}[/]  <{escape(node.address)}>{words}"

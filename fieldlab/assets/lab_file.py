"""`lab.yaml` as text: read with the line of every fault, and written back.

YAML as editors read it (1.2, core schema): `on` and `no` are words, times are text, and a key that stands twice is
refused.
"""

import re
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, ClassVar, Final

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from fieldlab.assets import lab as declarations
from fieldlab.assets.asset_type import AssetTypes
from fieldlab.assets.lab import Lab
from fieldlab.assets.name import SPELLINGS
from fieldlab.assets.resolve import Fault, Path, resolve
from fieldlab.assets.source import Wire, url_fault
from fieldlab.errors import InvalidInput

_TAG: Final = "tag:yaml.org,2002:"
_NUMBERS: Final = {
    f"{_TAG}int": (r"[-+]?[0-9]+", "-+0123456789"),
    f"{_TAG}float": (r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?", "-+.0123456789"),
}
_OTHERS: Final = {
    f"{_TAG}bool": (r"true|True|TRUE|false|False|FALSE", "tTfF"),
    f"{_TAG}null": (r"~|null|Null|NULL|", "~nN"),
    f"{_TAG}merge": (r"<<", "<"),
}
_NO_KEY: Final = re.compile(r"\[key\]|\(\w+\)")
"""Parts of a place that stand in no file: that a key itself is wrong, and which variant of a union was taken."""

OptionsOf = Callable[[Wire], type[BaseModel]]
Resolvers = dict[str, list[tuple[str, re.Pattern[str]]]]


def _resolvers(*tables: Mapping[str, tuple[str, str]]) -> Resolvers:
    """Arrange by first letter which plain words are of which type, as PyYAML wants it."""
    found: Resolvers = {}
    for table in tables:
        for tag, (pattern, first) in table.items():
            for letter in [*first, *([""] if tag == f"{_TAG}null" else [])]:
                found.setdefault(letter, []).append((f"{tag}", re.compile(f"^(?:{pattern})$")))
    return found


class _Loader(yaml.SafeLoader):
    """YAML 1.2's core schema, and no key twice."""

    yaml_implicit_resolvers = _resolvers(_OTHERS, _NUMBERS)
    yaml_constructors: ClassVar = {
        **yaml.SafeLoader.yaml_constructors,
        f"{_TAG}int": lambda loader, node: int(loader.construct_scalar(node)),
    }

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:  # noqa: FBT001, FBT002 - as in the base class
        seen: dict[str, int] = {}
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode) or key.tag == f"{_TAG}merge":
                continue
            if key.value in seen:
                message = f"{key.value!r} stands twice, first in line {seen[key.value]}"
                raise yaml.constructor.ConstructorError(None, None, message, key.start_mark)
            seen[key.value] = key.start_mark.line + 1
        return super().construct_mapping(node, deep)


def _text(dumper: yaml.representer.BaseRepresenter, text: str) -> yaml.Node:
    """Write what is not printable as escapes: PyYAML folds a NEL or a line separator into a blank."""
    style = None if text.isprintable() else '"'
    return dumper.represent_scalar(f"{_TAG}str", text, style=style)


class _Dumper(yaml.SafeDumper):
    """What either version of YAML would take for something else than text is written in quotes."""

    yaml_implicit_resolvers = {  # noqa: RUF012 - as in the base class
        letter: [*yaml.SafeDumper.yaml_implicit_resolvers.get(letter, []), *_resolvers(_NUMBERS).get(letter, [])]
        for letter in {*yaml.SafeDumper.yaml_implicit_resolvers, *_resolvers(_NUMBERS)}
    }
    yaml_representers: ClassVar = {**yaml.SafeDumper.yaml_representers, str: _text}

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ANN401, ARG002 - as in the base class
        return True


def parse(text: str, *, name: str, types: AssetTypes, options: OptionsOf | None = None) -> Lab:
    """Read a declaration; raises InvalidInput that names `name`, line and keys of everything that is wrong.

    `options` gives the model that the options of a wire's sources must fit; without it they may say anything.
    """
    loader = _Loader(text)
    try:
        root = loader.get_single_node()
        written = loader.construct_document(root) if root is not None else {}
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise InvalidInput(f"{name}:{line}: is not YAML: {error.problem}.") from None
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise InvalidInput(f"{name} is not YAML: {' '.join(str(error).split())}.") from None
    finally:
        loader.dispose()
    try:
        lab = Lab.model_validate({} if written is None else written)
        faults: list[Fault] = [*resolve(lab, types).faults, *(_option_faults(lab, options) if options else ())]
    except ValidationError as error:
        faults = [_fault(one, _keys()) for one in error.errors(include_url=False)]
    if placed := sorted((_line(root, fault.path), str(fault)) for fault in faults):
        told = [f"  {name}:{line}: {fault}" for line, fault in placed]
        raise InvalidInput(f"{name} does not declare a lab:\n" + "\n".join(told))
    return lab


def text_of(lab: Lab, *, heading: str = "") -> str:
    """Write a declaration as YAML; what is left out means the same."""
    written = lab.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    return heading + yaml.dump(written, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)


def _option_faults(lab: Lab, options: OptionsOf) -> Iterator[Fault]:
    for slug, source in lab.sources.items():
        if (wrong := url_fault(source.wire, source.url)) is not None:
            yield Fault(path=("sources", slug, "url"), message=wrong)
        model = options(source.wire)
        try:
            model.model_validate(source.options)
        except ValidationError as error:
            for one in error.errors(include_url=False):
                fault = _fault(one, list(model.model_fields))
                yield Fault(path=("sources", slug, "options", *fault.path), message=fault.message)


def _fault(error: ErrorDetails, keys: Sequence[str]) -> Fault:
    path: Path = tuple(error["loc"])
    message = error["msg"].removeprefix("Value error, ")
    match error["type"]:
        case "extra_forbidden":
            near = get_close_matches(str(path[-1]), keys, n=1)
            message = "there is no such key" + (f"; did you mean {near[0]!r}?" if near else "")
        case "missing":
            message = "is missing"
        case "string_pattern_mismatch":
            message = SPELLINGS.get(error["ctx"]["pattern"], message)
        case "dict_type" | "model_type" | "model_attributes_type":
            message = "it should hold keys with their values"
        case _:
            message = message.replace("Input should", "it should", 1)
    return Fault(path=tuple(part for part in path if not _NO_KEY.fullmatch(str(part))), message=message)


def _keys() -> list[str]:
    models = [one for one in vars(declarations).values() if isinstance(one, type) and issubclass(one, BaseModel)]
    return sorted({info.alias or name for model in models for name, info in model.model_fields.items()})


def _line(node: yaml.Node | None, path: Path) -> int:
    """Find the line where the last of these keys stands that is there."""
    line = node.start_mark.line if node is not None else 0
    for part in path:
        if isinstance(node, yaml.MappingNode):
            found = next(((key, value) for key, value in node.value if key.value == str(part)), None)
            if found is None:
                break
            line, node = found[0].start_mark.line, found[1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            node = node.value[part]
            line = node.start_mark.line
        else:
            break
    return line + 1

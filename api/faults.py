"""What is wrong with a value that was sent, in words that say what to send instead; it is named, and never repeated."""

from collections.abc import Mapping
from typing import Any, Final

_JSON: Final = "Send the fields as a JSON {} with Content-Type: application/json."

_SAID: Final[Mapping[str, str]] = {
    "missing": "This is required.",
    "extra_forbidden": "There is no such field; /docs lists those that there are.",
    "enum": "Give one of {expected}.",
    "literal_error": "Give one of {expected}.",
    "int_parsing": "Give a whole number.",
    "int_parsing_size": "Give a smaller number.",
    "int_type": "Give a whole number.",
    "int_from_float": "Give a whole number.",
    "float_parsing": "Give a number.",
    "float_type": "Give a number.",
    "bool_parsing": "Give true or false.",
    "bool_type": "Give true or false.",
    "string_type": "Write it as text in quotes.",
    "list_type": "Give a list, in square brackets.",
    "uuid_parsing": "This is no id; an id is a UUID, such as 8d0f6c0a-6c1e-4b57-9d1c-0f0d6f5f9a11.",
    "uuid_type": "This is no id; an id is a UUID in quotes.",
    "greater_than": "Give more than {gt}.",
    "greater_than_equal": "Give at least {ge}.",
    "less_than": "Give less than {lt}.",
    "less_than_equal": "Give at most {le}.",
    "string_too_short": "Give a text whose length is at least {min_length}.",
    "string_too_long": "Give a text whose length is at most {max_length}.",
    "too_short": "Give at least {min_length} of them.",
    "too_long": "Give at most {max_length} of them.",
}
"""What is said of each kind of fault, by pydantic's name for it; of any other what pydantic says."""


def in_words(fault: Mapping[str, Any]) -> dict[str, str]:
    """Name the parameter or field, with its place in a body, and say what to send."""
    source, *where = fault["loc"]
    if source == "query":
        where = [part for part in where if not isinstance(part, int)]  # a list in an address is not counted
    match fault["type"]:
        case "missing" if not where:
            detail = _JSON.format("body")
        case "json_invalid":
            where, detail = [], f"The body is not JSON at character {fault['loc'][-1]}: {fault['ctx']['error']}."
        case "model_attributes_type" | "model_type" | "dict_type":
            detail = "Give an object, in braces." if where else _JSON.format("object")
        case kind if kind in _SAID:
            detail = _SAID[kind].format_map(fault.get("ctx") or {})
        case _:
            message = str(fault["msg"])
            detail = message if message.endswith((".", "!", "?")) else f"{message}."
    return {"parameter": ".".join(map(str, where)), "detail": detail}

"""The OpenAPI document: what FastAPI derives from the routes, with the problems and the examples put in."""

from typing import Any, Final

from fastapi import FastAPI

from api.answers.media import Format
from api.errors import MEDIA_TYPE
from api.examples import ANSWER, ANSWER_AS_CSV, EXAMPLES, Examples
from api.guarded import READING
from api.models.problem import Problem
from api.once import HEADER

Document = dict[str, Any]

_TO_ALL: Final = {"default": "Any other error"}
_TO_GUARDED: Final = {
    "401": "No key, or one that is wrong, expired or revoked",
    "403": "The key lacks the scope that this needs",
    "404": "It is not there, or you may not see it",
    "422": "A parameter or field is wrong; the answer names it",
    "429": "Your participant asks too often; see Retry-After",
}


_IDEMPOTENCY_KEY: Final = {
    "name": HEADER,
    "in": "header",
    "required": False,
    "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"},
    "description": "A new UUID, say, for each thing you want done: sent again with the same key and body within a day, "
    "it is answered again and not done again.",
}


class DescribedApp(FastAPI):
    """An application whose document says all that its routes do."""

    def openapi(self) -> Document:
        """Give the document, made once."""
        if self.openapi_schema is None:
            document = super().openapi()
            _add_problems(document)
            for address, path in document["paths"].items():
                for method, operation in path.items():
                    if method == "post" and "security" in operation and address not in READING:
                        operation.setdefault("parameters", []).append(_IDEMPOTENCY_KEY)
                    _describe(operation)
        return super().openapi()


def _add_problems(document: Document) -> None:
    schemas = document["components"]["schemas"]
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    problem = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas.update(problem.pop("$defs", {}))
    schemas["Problem"] = problem


def _describe(operation: Document) -> None:
    responses = operation["responses"]
    responses.pop("422", None)
    guarded = "security" in operation
    for status, meaning in (_TO_GUARDED | _TO_ALL if guarded else _TO_ALL).items():
        responses[status] = {"description": meaning}
    for status, response in responses.items():
        if not status.startswith("2"):
            response["content"] = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    for parameter in operation.get("parameters", ()):
        parameter["schema"] = _without_null(parameter["schema"])
    _add_examples(operation, EXAMPLES[operation["operationId"]])


def _add_examples(operation: Document, examples: Examples) -> None:
    for parameter in operation.get("parameters", ()):
        if parameter["name"] in examples.parameters:
            parameter["example"] = examples.parameters[parameter["name"]]
    content = operation["responses"].get("200", {}).get("content", {})
    if Format.CSV.value in content:
        content[Format.JSON.value]["example"] = ANSWER
        content[Format.CSV.value]["example"] = ANSWER_AS_CSV
    if examples.bodies:
        content = operation["requestBody"]["content"]["application/json"]
        content["examples"] = {name: {"summary": name, "value": body} for name, body in examples.bodies.items()}
    if examples.requests:
        lines = (f"- {sentence}: `GET {address}`" for sentence, address in examples.requests.items())
        operation["description"] = "\n".join((operation["description"], "", "To try:", "", *lines))


def _without_null(schema: Document) -> Document:
    """Leave null out of what a query parameter may be: there it is written by leaving the parameter out."""
    kind, *others = schema.get("anyOf", [schema])
    if others != [{"type": "null"}]:
        return schema
    return {**{name: value for name, value in schema.items() if name != "anyOf"}, **kind}

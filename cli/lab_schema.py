"""The JSON Schema of lab.yaml: the declaration's own, with the options of each wire's connector put in."""

from typing import Any

from pydantic import BaseModel

from connectors.mqtt.config import MqttOptions
from connectors.opcua.config import OpcuaOptions
from fieldlab.assets.asset_type import read_types
from fieldlab.assets.lab import Lab
from fieldlab.assets.source import Wire

Schema = dict[str, Any]


def options_of(wire: Wire) -> type[BaseModel]:
    """Give the model of a wire's options."""
    match wire:
        case Wire.MQTT:
            return MqttOptions
        case Wire.OPCUA:
            return OpcuaOptions


def schema() -> Schema:
    """Give the schema, for JSON Schema 2020-12."""
    whole = Lab.model_json_schema(by_alias=True)
    whole["$defs"] = {**whole["$defs"], **_options(whole["$defs"]["DeclaredSource"])}
    whole["$defs"]["DeclaredAsset"]["properties"]["type"]["examples"] = list(read_types())
    _close(whole)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "lab.yaml of Fieldlab", **whole}


def _options(source: Schema) -> Schema:
    """Put into a source's schema which options go with which wire, and give those options' schemas."""
    found: Schema = {}
    source["allOf"] = []
    for wire in Wire:
        model = options_of(wire)
        described = model.model_json_schema(by_alias=True, ref_template="#/$defs/" + wire.value + ".{model}")
        found |= {f"{wire.value}.{name}": one for name, one in described.pop("$defs", {}).items()}
        found[model.__name__] = described
        source["allOf"].append(
            {
                "if": {"properties": {"wire": {"const": wire.value}}, "required": ["wire"]},
                "then": {"properties": {"options": {"$ref": f"#/$defs/{model.__name__}"}}},
            }
        )
    source["properties"]["options"] = {"default": {}, "type": "object"}
    return found


def _close(node: object) -> None:
    """Refuse names that break their pattern, as reading the file does; leave out titles, which only repeat the keys."""
    if isinstance(node, dict):
        if "patternProperties" in node:
            node["additionalProperties"] = False
        if isinstance(node.get("title"), str):
            del node["title"]
        for value in node.values():
            _close(value)
    elif isinstance(node, list):
        for value in node:
            _close(value)

"""The protobuf schema of Sparkplug B payloads (specification 3.0, 6.4.1), as far as a host application reads it.

It is built as a descriptor rather than generated, so that it fits whichever protobuf is installed, and it lives in a
pool of its own, so that it never meets another package's copy. Fields that are not named here are skipped.
"""

from functools import cache
from typing import Any, Final

from google.protobuf.descriptor_pb2 import DescriptorProto, FieldDescriptorProto, FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

Fields = Any
"""A protobuf message, whose fields have no static types."""

_KIND = FieldDescriptorProto
_PACKAGE: Final = "fieldlab.sparkplug"
_SCALARS: Final = {
    "uint32": _KIND.TYPE_UINT32,
    "uint64": _KIND.TYPE_UINT64,
    "float": _KIND.TYPE_FLOAT,
    "double": _KIND.TYPE_DOUBLE,
    "bool": _KIND.TYPE_BOOL,
    "string": _KIND.TYPE_STRING,
    "bytes": _KIND.TYPE_BYTES,
}
_MESSAGES: Final = {
    "Payload": ("1 timestamp uint64", "2 metrics *Metric", "3 seq uint64", "4 uuid string", "5 body bytes"),
    "Metric": (
        "1 name string",
        "2 alias uint64",
        "3 timestamp uint64",
        "4 datatype uint32",
        "5 is_historical bool",
        "6 is_transient bool",
        "7 is_null bool",
        "9 properties PropertySet",
        "10 int_value =uint32",
        "11 long_value =uint64",
        "12 float_value =float",
        "13 double_value =double",
        "14 boolean_value =bool",
        "15 string_value =string",
        "16 bytes_value =bytes",
        "17 dataset_value =Opaque",
        "18 template_value =Template",
        "19 extension_value =Opaque",
    ),
    "Template": ("1 version string", "2 metrics *Metric", "4 template_ref string", "5 is_definition bool"),
    "PropertySet": ("1 keys *string", "2 values *PropertyValue"),
    "PropertyValue": (
        "1 type uint32",
        "2 is_null bool",
        "3 int_value =uint32",
        "4 long_value =uint64",
        "5 float_value =float",
        "6 double_value =double",
        "7 boolean_value =bool",
        "8 string_value =string",
        "9 propertyset_value =Opaque",
        "10 propertysets_value =Opaque",
    ),
    "Opaque": (),
}
"""Number, name and type of each field; `*` marks a repeated one, `=` one of those of which a message holds one."""


@cache
def _payload_class() -> type[Message]:
    """Give the class of payloads."""
    file = FileDescriptorProto(name="sparkplug_b.proto", package=_PACKAGE, syntax="proto2")
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        for field in fields:
            _add(message, *field.split(" "))
    pool = DescriptorPool()
    pool.AddSerializedFile(file.SerializeToString())
    return GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.Payload"))


def empty_payload() -> Fields:
    """Give a payload without fields; it and its parts have the fields of the specification by name."""
    return _payload_class()()


def _add(message: DescriptorProto, number: str, name: str, kind: str) -> None:
    bare = kind.lstrip("*=")
    field = message.field.add(
        name=name,
        number=int(number),
        label=_KIND.LABEL_REPEATED if kind.startswith("*") else _KIND.LABEL_OPTIONAL,
        type=_SCALARS.get(bare, _KIND.TYPE_MESSAGE),
    )
    if bare not in _SCALARS:
        field.type_name = f".{_PACKAGE}.{bare}"
    if kind.startswith("="):
        if not message.oneof_decl:
            message.oneof_decl.add(name="value")
        field.oneof_index = 0

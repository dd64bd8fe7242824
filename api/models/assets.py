"""Machines as they are entered and described anew."""

from collections.abc import Mapping
from typing import Annotated, Any, Final

from fastapi.exceptions import RequestValidationError
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from api.field import SlugText, Words
from fieldlab.assets.asset import Kind, Nature
from fieldlab.assets.asset_type import AssetTypes
from fieldlab.assets.inventory import AssetEntry, StreamEntry
from fieldlab.assets.lab import DeclaredAsset, DeclaredLimits, DeclaredParticipant, Lab
from fieldlab.assets.name import StreamName
from fieldlab.assets.resolve import resolve
from fieldlab.assets.topic import checked_filter

_MOST_STREAMS: Final = 1000
_OWNED: Final = "Whose its data is changes by time alone: POST /v1/assets/{slug}/hand-overs, or corrections."


def _filter(text: str) -> str:
    try:
        return checked_filter(text)
    except ValueError as error:
        raise PydanticCustomError("invalid-input", "{reason}.", {"reason": str(error)}) from None


Sentence = Annotated[str, StringConstraints(max_length=2000, pattern=r"^[^\x00]*$")]
Unit = Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=r"^[^\x00]*$")]
TopicFilter = Annotated[str, StringConstraints(min_length=1, max_length=2000), AfterValidator(_filter)]

Name = Annotated[Words, Field(description="As people know it.")]
Place = Annotated[Sentence, Field(description="Where it stands, in words.")]
Topics = Annotated[
    list[TopicFilter],
    Field(max_length=100, description="MQTT topics, besides those bound, that its devices may publish on."),
]


class NewStream(BaseModel):
    """One measured quantity; what its type says of a stream of that name stands where this says nothing."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    unit: Annotated[Unit, Field(description="UCUM code; `1` where there is none.")] = "1"
    quantity: Annotated[Sentence, Field(description="What is measured, in words.")] = ""
    kind: Kind = Kind.NUMBER
    description: Sentence = ""
    semantic_id: Annotated[Words | None, Field(description="An IRI that says what is measured.")] = None
    limits: Annotated[DeclaredLimits, Field(description="What the sensor can show.")] = DeclaredLimits()


class NewAsset(BaseModel):
    """A machine or device to be entered: as `lab.yaml` declares one."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    slug: SlugText
    name: Name
    home_owner: Annotated[
        SlugText, Field(description="The participant who owns what nobody has booked. It cannot change later.")
    ]
    nature: Annotated[
        Nature, Field(description="Whether it stands on the floor or in a computer, or is a recording.")
    ] = Nature.REAL
    place: Place = ""
    description: Sentence = ""
    type: Annotated[
        SlugText | None, Field(description="The asset type that brings its streams; one that comes with Fieldlab.")
    ] = None
    leave_out: Annotated[list[StreamName], Field(description="Streams of its type that it lacks.")] = []
    streams: Annotated[
        dict[StreamName, NewStream], Field(max_length=_MOST_STREAMS, description="Its own streams, by name.")
    ] = {}
    topics: Topics = []

    def entries(self, types: AssetTypes) -> tuple[AssetEntry, Mapping[str, StreamEntry]]:
        """Work it out as a declaration is, given the types there are; raises RequestValidationError for what is wrong.

        Gives the asset, and its streams by name.
        """
        declared = DeclaredAsset.model_validate(self.model_dump(exclude={"slug"}, exclude_unset=True))
        owner = DeclaredParticipant(name=self.home_owner)
        lab = Lab(participants={self.home_owner: owner}, assets={self.slug: declared})
        found = resolve(lab, types)
        if found.faults:
            raise RequestValidationError(
                [
                    {"type": "invalid-input", "loc": ("body", *fault.path[2:]), "msg": f"Here {fault.message}."}
                    for fault in found.faults
                ]
            )
        streams = {name.partition(".")[2]: one for name, one in found.inventory.streams.items()}
        return found.inventory.assets[self.slug], streams


class AssetChange(BaseModel):
    """What is said anew of a machine; what is left out stays."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Name = ""
    nature: Annotated[
        Nature, Field(description="From and to `replay` it cannot change; answers give the new one at once.")
    ] = Nature.REAL
    place: Place = ""
    description: Sentence = ""
    topics: Topics = []

    @model_validator(mode="before")
    @classmethod
    def _nobody_else_s(cls, given: Any) -> Any:  # noqa: ANN401 - whatever a caller sends
        if isinstance(given, dict) and given.keys() & {"home_owner", "owner"}:
            raise PydanticCustomError("invalid-input", "{reason}", {"reason": _OWNED})
        return given

    def changes(self) -> dict[str, str | list[str]]:
        """Give what was said, and nothing else."""
        return self.model_dump(mode="json", exclude_unset=True)

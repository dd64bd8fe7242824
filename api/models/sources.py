"""Sources, and plugging in what arrives at them, as answers show them and callers send them."""

from typing import Annotated, Any, Final, Self

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from api.field import SlugText, Words
from fieldlab.assets.difference import Change, Mark
from fieldlab.assets.name import STREAM_NAME
from fieldlab.assets.plug import Plug
from fieldlab.assets.source import Wire
from fieldlab.storage.plugging import KnownSource, Outcome

_LONGEST_ADDRESS: Final = 2_000
_EMPTY: Final[tuple[object, ...]] = (None, "", (), {})

Address = Annotated[str, Field(min_length=1, max_length=_LONGEST_ADDRESS, pattern=r"^[^\x00]*$")]


class Source(BaseModel):
    """A configured connection to a wire. It names where secrets are kept, and never holds one."""

    slug: Annotated[str, Field(examples=["shop-floor"])]
    wire: Wire
    url: Annotated[str, Field(examples=["mqtt://broker:1883"])]
    options: Annotated[dict[str, JsonValue], Field(description="Its connector's own settings.")]
    bindings: Annotated[int, Field(description="Addresses that feed a stream.")]
    discoveries: Annotated[int, Field(description="Addresses that arrive and feed none.")]

    @classmethod
    def of(cls, found: KnownSource) -> Self:
        """Show a source."""
        return cls.model_validate(
            {
                "slug": found.slug,
                "wire": found.wire,
                "url": found.url,
                "options": found.options,
                "bindings": found.bindings,
                "discoveries": found.discoveries,
            }
        )


class NewSource(BaseModel):
    """A connection to be made, or changed."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    slug: SlugText
    wire: Wire
    url: Annotated[Words, Field(description="mqtt://host:port, mqtts://host:port or opc.tcp://host:port; no password.")]
    options: Annotated[
        dict[str, JsonValue],
        Field(
            description="As in lab.yaml. A secret is named, as password_env or password_file, and stays at the gateway."
        ),
    ] = {}
    dry_run: Annotated[bool, Field(description="Say what would change, and change nothing.")] = False


class Binding(BaseModel):
    """What shall be bound at one source: an address, a pattern, or whatever names an asset."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    source: SlugText
    asset: Annotated[
        SlugText | None, Field(description="Whose streams they are; alone: bind whatever names it or its topics cover.")
    ] = None
    address: Annotated[Address | None, Field(description="One address, as a discovery shows it.")] = None
    pattern: Annotated[
        Address | None,
        Field(description="Addresses, with {asset} and {stream} where their names stand, and * for anything."),
    ] = None
    stream: Annotated[
        str | None,
        Field(pattern=f"^{STREAM_NAME}$", description="Name of the one address's stream; made of it if not given."),
    ] = None
    unit: Annotated[Words | None, Field(description="UCUM code of new streams, if the source does not tell it.")] = None
    dry_run: Annotated[bool, Field(description="Say what would change, and change nothing.")] = False

    def plug(self) -> Plug:
        """Give what is asked."""
        return Plug(
            source=self.source,
            asset=self.asset,
            address=self.address,
            pattern=self.pattern,
            stream=self.stream,
            unit=self.unit,
        )


class Difference(BaseModel):
    """One thing that is new or different, as `fieldlab apply` shows it."""

    mark: Annotated[Mark, Field(description="`+` new, `~` changed.")]
    kind: Annotated[str, Field(examples=["stream"])]
    name: Annotated[str, Field(examples=["mill-1.power"])]
    properties: Annotated[dict[str, Any], Field(description="What it is now, as far as that is new.")]

    @classmethod
    def of(cls, change: Change) -> Self:
        """Show a change."""
        new = {one.name: one.new for one in change.properties if one.new not in _EMPTY}
        return cls(mark=change.mark, kind=change.kind, name=change.name, properties=new)


class Done(BaseModel):
    """What was changed, or would be with `dry_run`; nothing where it was so already."""

    changes: list[Difference]
    left_out: Annotated[
        list[str], Field(description="Addresses that match and whose asset is not in the lab: declare it first.")
    ]
    dry_run: bool

    @classmethod
    def of(cls, outcome: Outcome, *, dry_run: bool) -> Self:
        """Show an outcome."""
        changes = [Difference.of(change) for change in outcome.plan.changes]
        return cls(changes=changes, left_out=list(outcome.left_out), dry_run=dry_run)

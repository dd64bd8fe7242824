"""The access ledger, as answers show it."""

from typing import Annotated, Any, Self

from pydantic import BaseModel, Field

from api.field import OpenMoment
from fieldlab.ownership import access
from fieldlab.storage import ledger


class Checkpoint(BaseModel):
    """The root of the ledger's Merkle tree (RFC 9162, section 2.1). Keep one: what came before it cannot be changed."""

    size: Annotated[int, Field(description="How many entries it covers.", examples=[1204])]
    root: Annotated[str, Field(description="The root of their tree, SHA-256 in hexadecimal digits.")]

    @classmethod
    def of(cls, checkpoint: access.Checkpoint) -> Self:
        """Show a checkpoint."""
        return cls(size=checkpoint.size, root=checkpoint.root)


class Access(BaseModel):
    """An entry of the ledger that concerns you: what you read, or who read what was yours when it was measured."""

    index: Annotated[int, Field(description="Its place in the ledger.")]
    sealed_at: OpenMoment
    own: Annotated[bool, Field(description="Whether it was you who asked.")]
    entry: Annotated[
        dict[str, Any],
        Field(description="Who, when, what kind of answer, how it ended, and the segments that concern you."),
    ]
    text: Annotated[str, Field(description="The same as the text that is hashed, to the letter.")]
    hash: Annotated[str, Field(description="SHA-256 of a zero byte and the text in UTF-8: the leaf of the tree.")]

    @classmethod
    def of(cls, leaf: access.Leaf) -> Self:
        """Show an entry."""
        return cls(
            index=leaf.index,
            sealed_at=leaf.sealed_at,
            own=leaf.own,
            entry=dict(leaf.said),
            text=leaf.text,
            hash=leaf.hash,
        )


class Proof(BaseModel):
    """Hashes from which you compute the root of `checkpoint`, as RFC 9162 says in sections 2.1.3.2 and 2.1.4.2."""

    checkpoint: Checkpoint
    hashes: list[str]
    leaf: Annotated[str | None, Field(description="The hash of the entry that is proved to be in it.")]
    earlier: Annotated[Checkpoint | None, Field(description="The checkpoint that is proved to be its beginning.")]

    @classmethod
    def of(cls, proof: ledger.Proof) -> Self:
        """Show a proof."""
        return cls(
            checkpoint=Checkpoint.of(proof.checkpoint),
            hashes=[*proof.hashes],
            leaf=proof.leaf,
            earlier=None if proof.earlier is None else Checkpoint.of(proof.earlier),
        )

"""An organisation in the field lab, and what its principals may do."""

from dataclasses import dataclass
from enum import StrEnum


class Role(StrEnum):
    """What a participant is in the lab. It grants nothing by itself: tenures, agreements and permissions do."""

    OPERATOR = "operator"
    OWNER = "owner"
    SME = "sme"
    RESEARCHER = "researcher"


class Permission(StrEnum):
    """What a credential allows; the OAuth-style scopes of the HTTP contract."""

    DATA_READ = "data:read"
    DATA_LIVE = "data:live"
    DATA_ERASE = "data:erase"
    AGREEMENTS_WRITE = "agreements:write"
    DEVICES_WRITE = "devices:write"
    TENURES_WRITE = "tenures:write"
    LAB_ADMIN = "lab:admin"


@dataclass(frozen=True, kw_only=True, slots=True)
class Participant:
    """An organisation in the field lab, known by its slug."""

    slug: str
    name: str
    role: Role

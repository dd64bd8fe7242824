"""Whether this build may go on with a spool that another build left."""

from typing import Final

from fieldlab.errors import InvalidSettings
from fieldlab.storage.spool import Spool
from gateway.record import FORMAT

_NOTE: Final = "format"


def admit(spool: Spool) -> None:
    """Let a gateway go on with a spool, and note in which format it writes.

    Raises InvalidSettings for one that holds records of a later format: what cannot be read must not become rejects.
    """
    noted = spool.note(_NOTE)
    if noted is not None and int(noted) > FORMAT and (waiting := sum(spool.waiting().values())):
        raise InvalidSettings(
            f"FIELDLAB_GATEWAY_DIRECTORY: a later version of Fieldlab left {waiting} samples in the spool, in a format "
            f"({noted}) that this one cannot read. Run that version until its /healthz says that nothing waits."
        )
    if noted != str(FORMAT):
        spool.keep(_NOTE, str(FORMAT))

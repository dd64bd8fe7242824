"""The tables, as the code sees them; a test holds them against the migrations."""

from typing import Final

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Double,
    ForeignKey,
    Identity,
    Integer,
    Interval,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

metadata: Final = MetaData(schema="fieldlab")

_NOW: Final = func.now()
_TIME: Final = DateTime(timezone=True)

platform = Table(
    "platform",
    metadata,
    Column("singleton", Boolean, primary_key=True, server_default=text("true")),
    Column("engine", Text, nullable=False),
    Column("version", Text, nullable=False),
    Column("detected_at", _TIME, nullable=False, server_default=_NOW),
)

participant = Table(
    "participant",
    metadata,
    Column("id", Integer, Identity(always=True), primary_key=True),
    Column("slug", Text, nullable=False, unique=True),
    Column("name", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("created_at", _TIME, nullable=False, server_default=_NOW),
)

trial = Table(
    "trial",
    metadata,
    Column("id", Integer, Identity(always=True), primary_key=True),
    Column("slug", Text, nullable=False, unique=True),
    Column("participant_id", ForeignKey(participant.c.id), nullable=False),
    Column("created_at", _TIME, nullable=False, server_default=_NOW),
)

asset = Table(
    "asset",
    metadata,
    Column("id", Integer, Identity(always=True), primary_key=True),
    Column("slug", Text, nullable=False, unique=True),
    Column("name", Text, nullable=False),
    Column("home_owner_id", ForeignKey(participant.c.id), nullable=False),
    Column("nature", Text, nullable=False),
    Column("description", Text, nullable=False, server_default=""),
    Column("created_at", _TIME, nullable=False, server_default=_NOW),
    Column(
        "topics",
        ARRAY(Text),
        nullable=False,
        server_default=text("'{}'::text[]"),
        comment="MQTT topic filters, besides the bound topics, on which the devices may publish.",
    ),
    Column("place", Text, nullable=False, server_default="", comment="Where it stands, in words."),
)

stream = Table(
    "stream",
    metadata,
    Column("id", Integer, Identity(always=True), primary_key=True),
    Column("uid", Uuid, nullable=False, unique=True, server_default=func.gen_random_uuid()),
    Column("asset_id", ForeignKey(asset.c.id), nullable=False),
    Column("name", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("unit", Text, nullable=False),
    Column("quantity", Text, nullable=False, server_default=""),
    Column("semantic_id", Text),
    Column("description", Text, nullable=False, server_default=""),
    Column("created_at", _TIME, nullable=False, server_default=_NOW),
    Column(
        "lateness", Interval, comment="How long after measuring a live sample may arrive; NULL: the gateway's bound."
    ),
    Column("low", Double, comment="The least that the sensor can show, in the unit; NULL: not known."),
    Column("high", Double, comment="The most that the sensor can show, in the unit; NULL: not known."),
    UniqueConstraint("asset_id", "name"),
)

source = Table(
    "source",
    metadata,
    Column("id", Integer, Identity(always=True), primary_key=True),
    Column("slug", Text, nullable=False, unique=True),
    Column("wire", Text, nullable=False),
    Column("url", Text, nullable=False),
    Column("options", JSONB, nullable=False, server_default=text("'{}'::jsonb")),
    Column("created_at", _TIME, nullable=False, server_default=_NOW),
)

binding = Table(
    "binding",
    metadata,
    Column("source_id", ForeignKey(source.c.id), primary_key=True),
    Column("address", Text, primary_key=True),
    Column("stream_id", ForeignKey(stream.c.id), nullable=False),
    Column("created_at", _TIME, nullable=False, server_default=_NOW),
)

device = Table(
    "device",
    metadata,
    Column("id", Integer, Identity(always=True), primary_key=True),
    Column("source_id", ForeignKey(source.c.id), nullable=False),
    Column("asset_id", ForeignKey(asset.c.id), nullable=False),
    Column("user_name", Text, nullable=False),
    Column("password_hash", Text, nullable=False),
    Column("created_at", _TIME, nullable=False, server_default=_NOW),
    Column("revoked_at", _TIME),
)

tenure = Table(
    "tenure",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("stream_id", ForeignKey(stream.c.id), nullable=False),
    Column("owner_id", ForeignKey(participant.c.id), nullable=False),
    Column("trial_id", ForeignKey(trial.c.id)),
    Column("start", _TIME, nullable=False),
    Column("until", _TIME, nullable=False),
    Column("booked", Boolean, nullable=False),
)

tenure_event = Table(
    "tenure_event",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("at", _TIME, nullable=False, server_default=_NOW),
    Column("asset_id", ForeignKey(asset.c.id), nullable=False),
    Column("principal", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("removed", JSONB, nullable=False),
    Column("added", JSONB, nullable=False),
    Column("reason", Text, nullable=False, server_default=""),
)

credential = Table(
    "credential",
    metadata,
    Column("id", Uuid, primary_key=True, server_default=func.gen_random_uuid()),
    Column("participant_id", ForeignKey(participant.c.id), nullable=False),
    Column("principal", Text, nullable=False),
    Column("digest", LargeBinary, nullable=False, unique=True),
    Column("permissions", ARRAY(Text), nullable=False),
    Column("created_at", _TIME, nullable=False, server_default=_NOW),
    Column("expires_at", _TIME, nullable=False),
    Column("revoked_at", _TIME),
    Column("used_at", _TIME),
    Column("admitted", Boolean, nullable=False, server_default=text("false")),
    Column("issued_by", ForeignKey("fieldlab.credential.id", ondelete="SET NULL")),
    Column("streams", ARRAY(Integer)),
)

secret = Table(
    "secret",
    metadata,
    Column("name", Text, primary_key=True),
    Column("value", LargeBinary, nullable=False),
)

agreement = Table(
    "agreement",
    metadata,
    Column("id", Uuid, primary_key=True, server_default=func.gen_random_uuid()),
    Column("owner_id", ForeignKey(participant.c.id), nullable=False),
    Column("grantee_id", ForeignKey(participant.c.id), nullable=False),
    Column("state", Text, nullable=False),
    Column("proposed_by", Text, nullable=False),
    Column("proposed_at", _TIME, nullable=False, server_default=_NOW),
    Column("answer_by", _TIME, nullable=False),
    Column("replaces", ForeignKey("fieldlab.agreement.id")),
    Column("terms", Text, nullable=False),
    Column("hash", LargeBinary, nullable=False),
    Column("trial", Text),
    Column("data_from", _TIME, nullable=False),
    Column("data_until", _TIME, nullable=False),
    Column("valid_from", _TIME, nullable=False),
    Column("valid_until", _TIME, nullable=False),
    Column("embargo", Interval, nullable=False),
    Column("resolution_floor", BigInteger),
    Column("minimum_samples", Integer),
    Column("aggregates", ARRAY(Text)),
)

agreement_stream = Table(
    "agreement_stream",
    metadata,
    Column("agreement_id", ForeignKey(agreement.c.id), primary_key=True),
    Column("stream_id", ForeignKey(stream.c.id), primary_key=True),
)

agreement_event = Table(
    "agreement_event",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("at", _TIME, nullable=False, server_default=_NOW),
    Column("agreement_id", ForeignKey(agreement.c.id), nullable=False),
    Column("kind", Text, nullable=False),
    Column("participant_id", ForeignKey(participant.c.id), nullable=False),
    Column("principal", Text, nullable=False),
    Column("reason", Text, nullable=False),
)

export = Table(
    "export",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("participant_id", ForeignKey(participant.c.id), nullable=False),
    Column("credential_id", ForeignKey(credential.c.id), nullable=False),
    Column("ticket", LargeBinary, nullable=False, unique=True),
    Column("question", Text, nullable=False),
    Column("requested_at", _TIME, nullable=False, server_default=_NOW),
    Column("expires_at", _TIME, nullable=False),
    Column("state", Text, nullable=False, server_default="queued"),
    Column("leased_until", _TIME),
    Column("progress", Double, nullable=False, server_default=text("0")),
    Column("rows", BigInteger, nullable=False, server_default=text("0")),
    Column("detail", Text, nullable=False, server_default=""),
    Column("size", BigInteger),
    Column("sha256", Text),
    Column("finished_at", _TIME),
)

export_part = Table(
    "export_part",
    metadata,
    Column("export_id", ForeignKey(export.c.id, ondelete="CASCADE"), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("stream_id", ForeignKey(stream.c.id), nullable=False),
    Column("owner_id", ForeignKey(participant.c.id), nullable=False),
    Column("agreement_id", Uuid),
    Column("start", _TIME, nullable=False),
    Column("until", _TIME, nullable=False),
)

measurement = Table(
    "measurement",
    metadata,
    Column("stream_id", Integer, primary_key=True, autoincrement=False),
    Column("status", SmallInteger, nullable=False, server_default=text("0")),
    Column("origin", SmallInteger, nullable=False, server_default=text("0")),
    Column("time", _TIME, primary_key=True),
    Column("value", Double),
    Column("text", Text),
)

reject = Table(
    "reject",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("source_id", ForeignKey(source.c.id, ondelete="SET NULL")),
    Column("received_at", _TIME, nullable=False),
    Column("reason", Text, nullable=False),
    Column("detail", Text, nullable=False),
    Column("raw", LargeBinary, nullable=False),
    Column("address", Text),
    Column("time", _TIME),
    Column("samples", Integer, nullable=False, server_default=text("1")),
    Column("source", Text, nullable=False, server_default=""),
    Column("stream_id", Integer),
    Column("released_at", _TIME),
    Column("released_by", Text),
)

gap = Table(
    "gap",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("stream_id", ForeignKey(stream.c.id), nullable=False),
    Column("start", _TIME, nullable=False),
    Column("until", _TIME, nullable=False),
    Column("cause", Text, nullable=False),
    Column("recorded_at", _TIME, nullable=False, server_default=_NOW),
    Column("recovered", BigInteger),
    Column("closed_at", _TIME),
    Column(
        "heard",
        _TIME,
        comment="When the last sample that came before it was measured, by its own clock; NULL: not known.",
    ),
)

spool = Table(
    "spool",
    metadata,
    Column("name", Text, primary_key=True),
    Column("written", BigInteger, nullable=False, server_default=text("0")),
    Column("settled_at", _TIME, nullable=False, server_default=_NOW),
)

request = Table(
    "request",
    metadata,
    Column("participant_id", ForeignKey(participant.c.id), primary_key=True, autoincrement=False),
    Column("key", Text, primary_key=True),
    Column("digest", LargeBinary, nullable=False),
    Column("at", _TIME, nullable=False, server_default=func.clock_timestamp()),
    Column("status", Integer),
    Column("media_type", Text),
    Column("body", LargeBinary),
    Column("location", Text),
)

arrival = Table(
    "arrival",
    metadata,
    Column("xid", BigInteger, primary_key=True, autoincrement=False),
    Column("at", _TIME, nullable=False, server_default=_NOW),
    Column("streams", ARRAY(Integer), nullable=False),
    Column("starts", ARRAY(_TIME), nullable=False),
    Column("untils", ARRAY(_TIME), nullable=False),
)

account_entry = Table(
    "account_entry",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("sources", ARRAY(Integer), nullable=False),
    Column("streams", ARRAY(Integer), nullable=False),
    Column("hours", ARRAY(Integer), nullable=False),
    Column("stored", ARRAY(Integer), nullable=False),
    Column("duplicates", ARRAY(Integer), nullable=False),
    Column("rejected", ARRAY(Integer), nullable=False),
)

account = Table(
    "account",
    metadata,
    Column("source_id", Integer, primary_key=True, autoincrement=False),
    Column("stream_id", Integer, primary_key=True, autoincrement=False),
    Column("hour", Integer, primary_key=True, autoincrement=False),
    Column("received", BigInteger, nullable=False),
    Column("stored", BigInteger, nullable=False),
    Column("duplicates", BigInteger, nullable=False),
    Column("rejected", BigInteger, nullable=False),
)

waiting = Table(
    "waiting",
    metadata,
    Column("spool", ForeignKey(spool.c.name, ondelete="CASCADE"), primary_key=True),
    Column("source_id", Integer, primary_key=True, autoincrement=False),
    Column("samples", BigInteger, nullable=False),
    Column("oldest", _TIME),
    Column("reported_at", _TIME, nullable=False, server_default=_NOW),
)

discovery = Table(
    "discovery",
    metadata,
    Column("source_id", ForeignKey(source.c.id, ondelete="CASCADE"), primary_key=True),
    Column("address", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("value", Double),
    Column("text", Text),
    Column("samples", BigInteger, nullable=False),
    Column("first_seen", _TIME, nullable=False),
    Column("last_seen", _TIME, nullable=False),
    Column("unit", Text),
    Column("quantity", Text),
    Column("description", Text),
    Column("semantic_id", Text),
    Column("low", Double),
    Column("high", Double),
)

access = Table(
    "access",
    metadata,
    Column("id", Uuid, primary_key=True, server_default=func.gen_random_uuid()),
    Column("at", _TIME, nullable=False, server_default=_NOW),
    Column("participant_id", Integer, nullable=False),
    Column("credential_id", Uuid, nullable=False),
    Column("principal", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("question", JSONB, nullable=False),
    Column("purpose", Text),
    Column("running", Boolean, nullable=False),
    Column("streams", ARRAY(Integer), nullable=False),
    Column("tenures", ARRAY(BigInteger), nullable=False),
    Column("owners", ARRAY(Integer), nullable=False),
    Column("starts", ARRAY(_TIME), nullable=False),
    Column("untils", ARRAY(_TIME), nullable=False),
    Column("agreements", ARRAY(Uuid)),
    Column("rows", ARRAY(BigInteger)),
    Column(
        "number",
        BigInteger,
        Identity(always=True),
        nullable=False,
        comment="Taken when the access is noted and never given back: a number that is missing was noted, and undone.",
    ),
)

access_end = Table(
    "access_end",
    metadata,
    Column("access_id", ForeignKey(access.c.id, ondelete="CASCADE"), primary_key=True),
    Column("at", _TIME, nullable=False, server_default=func.clock_timestamp()),
    Column("outcome", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("rows", ARRAY(BigInteger), nullable=False),
)

ledger_waiting = Table(
    "ledger_waiting",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("kind", Text, nullable=False),
    Column("access_id", Uuid),
    Column("audience_id", Integer),
    Column("by_id", Integer),
    Column("body", JSONB),
)

ledger_leaf = Table(
    "ledger_leaf",
    metadata,
    Column("index", BigInteger, primary_key=True, autoincrement=False),
    Column("at", _TIME, nullable=False, server_default=func.clock_timestamp()),
    Column("audience_id", Integer),
    Column("by_id", Integer),
    Column("entry", BigInteger, nullable=False),
    Column("access_id", Uuid),
    Column("text", Text, nullable=False),
)

ledger_node = Table(
    "ledger_node",
    metadata,
    Column("level", SmallInteger, primary_key=True, autoincrement=False),
    Column("index", BigInteger, primary_key=True, autoincrement=False),
    Column("hash", LargeBinary, nullable=False),
)

ledger_checkpoint = Table(
    "ledger_checkpoint",
    metadata,
    Column("size", BigInteger, primary_key=True, autoincrement=False),
    Column("root", LargeBinary, nullable=False),
    Column("at", _TIME, nullable=False, server_default=func.clock_timestamp()),
)

break_glass = Table(
    "break_glass",
    metadata,
    Column("id", Uuid, primary_key=True, server_default=func.gen_random_uuid()),
    Column("participant_id", ForeignKey(participant.c.id), nullable=False),
    Column("credential_id", Uuid, nullable=False),
    Column("principal", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("opened_at", _TIME, nullable=False, server_default=_NOW),
    Column("closes_at", _TIME, nullable=False),
    Column("streams", ARRAY(Integer), nullable=False),
    Column("start", _TIME, nullable=False),
    Column("until", _TIME, nullable=False),
)

erasure = Table(
    "erasure",
    metadata,
    Column("id", Uuid, primary_key=True, server_default=func.gen_random_uuid()),
    Column("at", _TIME, nullable=False, server_default=_NOW),
    Column("owner_id", ForeignKey(participant.c.id), nullable=False),
    Column("principal", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("streams", ARRAY(Integer), nullable=False),
    Column("start", _TIME, nullable=False),
    Column("until", _TIME, nullable=False),
    Column("samples", BigInteger, nullable=False),
    Column("rejects", BigInteger, nullable=False),
    Column("exports", BigInteger, nullable=False),
)

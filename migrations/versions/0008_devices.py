"""Who may publish what at a broker: devices and their credentials; and what a sensor can show."""

from alembic import op

revision = "0008"
down_revision = "0007"

CREATE = """
ALTER TABLE fieldlab.asset ADD topics text[] NOT NULL DEFAULT '{}';
COMMENT ON COLUMN fieldlab.asset.topics IS
    'MQTT topic filters, besides the bound topics, on which the devices may publish.';

ALTER TABLE fieldlab.stream
    ADD low double precision CHECK (low NOT IN ('infinity', '-infinity', 'NaN')),
    ADD high double precision CHECK (high NOT IN ('infinity', '-infinity', 'NaN')),
    ADD CONSTRAINT stream_limits_in_order CHECK (low <= high);
COMMENT ON COLUMN fieldlab.stream.low IS 'The least that the sensor can show, in the unit; NULL: not known.';
COMMENT ON COLUMN fieldlab.stream.high IS 'The most that the sensor can show, in the unit; NULL: not known.';

CREATE TABLE fieldlab.device (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    source_id integer NOT NULL REFERENCES fieldlab.source,
    asset_id integer NOT NULL REFERENCES fieldlab.asset,
    user_name text NOT NULL,
    password_hash text NOT NULL CHECK (password_hash LIKE '$7$%'),
    created_at timestamptz NOT NULL DEFAULT now(),
    revoked_at timestamptz
);
COMMENT ON TABLE fieldlab.device IS
    'A credential of one device of an asset at one broker; password_hash is PBKDF2-SHA512 as mosquitto writes it.';
CREATE UNIQUE INDEX device_user ON fieldlab.device (source_id, user_name) WHERE revoked_at IS NULL;
CREATE INDEX ON fieldlab.device (asset_id);
ALTER TABLE fieldlab.device ALTER COLUMN password_hash SET STATISTICS 0;
"""

DROP = """
DROP TABLE fieldlab.device;
ALTER TABLE fieldlab.stream DROP CONSTRAINT stream_limits_in_order, DROP low, DROP high;
ALTER TABLE fieldlab.asset DROP topics;
"""


def upgrade() -> None:
    op.execute(CREATE)


def downgrade() -> None:
    op.execute(DROP)

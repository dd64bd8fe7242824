"""Who and what is in the lab: participants, trials, assets, streams, sources, bindings."""

from alembic import op

revision = "0001"
down_revision = None

CREATE = """
CREATE TABLE fieldlab.platform (
    singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
    engine text NOT NULL CHECK (engine IN ('plain', 'apache', 'community')),
    version text NOT NULL,
    detected_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE fieldlab.platform IS 'The engine this database was last fitted to; one row.';

CREATE TABLE fieldlab.participant (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    slug text NOT NULL UNIQUE,
    name text NOT NULL,
    role text NOT NULL CHECK (role IN ('operator', 'owner', 'sme', 'researcher')),
    created_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE fieldlab.participant IS 'An organisation in the field lab.';

CREATE TABLE fieldlab.trial (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    slug text NOT NULL UNIQUE,
    participant_id integer NOT NULL REFERENCES fieldlab.participant,
    created_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE fieldlab.trial IS 'A named use case of one participant.';

CREATE TABLE fieldlab.asset (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    slug text NOT NULL UNIQUE,
    name text NOT NULL,
    home_owner_id integer NOT NULL REFERENCES fieldlab.participant,
    nature text NOT NULL CHECK (nature IN ('real', 'simulated')),
    description text NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE fieldlab.asset IS 'A machine or device.';

CREATE TABLE fieldlab.stream (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    uid uuid NOT NULL UNIQUE DEFAULT gen_random_uuid(),
    asset_id integer NOT NULL REFERENCES fieldlab.asset,
    name text NOT NULL,
    kind text NOT NULL CHECK (kind IN ('number', 'boolean', 'text')),
    unit text NOT NULL,
    quantity text NOT NULL DEFAULT '',
    semantic_id text,
    description text NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (asset_id, name)
);
COMMENT ON TABLE fieldlab.stream IS 'One measured quantity of an asset; unit is a UCUM code.';

CREATE TABLE fieldlab.source (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    slug text NOT NULL UNIQUE,
    wire text NOT NULL CHECK (wire IN ('mqtt', 'opcua')),
    url text NOT NULL,
    options jsonb NOT NULL DEFAULT '{}',
    created_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE fieldlab.source IS 'A configured connection to a wire; holds no secret.';

CREATE TABLE fieldlab.binding (
    source_id integer NOT NULL REFERENCES fieldlab.source,
    address text NOT NULL,
    stream_id integer NOT NULL REFERENCES fieldlab.stream,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (source_id, address)
);
COMMENT ON TABLE fieldlab.binding IS 'Which stream an address of a source feeds.';
CREATE INDEX ON fieldlab.binding (stream_id);

CREATE FUNCTION fieldlab.announce_bindings() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM pg_notify('fieldlab_bindings', '');
    RETURN NULL;
END $$;
COMMENT ON FUNCTION fieldlab.announce_bindings IS
    'Tells gateways that what they know of sources and bindings is stale.';
CREATE TRIGGER announce AFTER INSERT OR UPDATE OR DELETE ON fieldlab.binding
    FOR EACH STATEMENT EXECUTE FUNCTION fieldlab.announce_bindings();
CREATE TRIGGER announce AFTER INSERT OR UPDATE OR DELETE ON fieldlab.source
    FOR EACH STATEMENT EXECUTE FUNCTION fieldlab.announce_bindings();
"""

DROP = """
DROP TABLE fieldlab.binding, fieldlab.source, fieldlab.stream, fieldlab.asset, fieldlab.trial, fieldlab.participant,
    fieldlab.platform;
DROP FUNCTION fieldlab.announce_bindings;
"""


def upgrade() -> None:
    op.execute(CREATE)


def downgrade() -> None:
    op.execute(DROP)

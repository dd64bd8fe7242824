"""Who owns what a stream produces, from when until when; total, disjoint, with a history nobody can edit."""

from alembic import op

revision = "0002"
down_revision = "0001"

CREATE = """
CREATE TABLE fieldlab.tenure (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    stream_id integer NOT NULL REFERENCES fieldlab.stream,
    owner_id integer NOT NULL REFERENCES fieldlab.participant,
    trial_id integer REFERENCES fieldlab.trial,
    start timestamptz NOT NULL,
    until timestamptz NOT NULL,
    booked boolean NOT NULL,
    CONSTRAINT tenure_not_empty CHECK (start < until),
    CONSTRAINT tenure_on_whole_minutes CHECK (
        (NOT isfinite(start) OR start = date_bin('1 minute', start, timestamptz 'epoch'))
        AND (NOT isfinite(until) OR until = date_bin('1 minute', until, timestamptz 'epoch'))),
    CONSTRAINT tenure_disjoint EXCLUDE USING gist (stream_id WITH =, tstzrange(start, until) WITH &&)
        DEFERRABLE INITIALLY DEFERRED
);
COMMENT ON TABLE fieldlab.tenure IS 'Who owns what a stream produces in [start, until); the residual is not booked.';
CREATE INDEX tenure_owner ON fieldlab.tenure (owner_id, stream_id, start);
CREATE INDEX tenure_stream ON fieldlab.tenure (stream_id, start);

CREATE FUNCTION fieldlab.tenure_is_total() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    touched integer;
BEGIN
    FOREACH touched IN ARRAY ARRAY[OLD.stream_id, NEW.stream_id] LOOP
        IF EXISTS (SELECT FROM fieldlab.stream WHERE id = touched) AND (
            SELECT count(*) = 0 OR bool_or(start <> previous_until) OR max(until) <> 'infinity'
            FROM (SELECT start, until, lag(until, 1, '-infinity') OVER (ORDER BY start) AS previous_until
                  FROM fieldlab.tenure WHERE stream_id = touched) AS timeline
        ) THEN
            RAISE EXCEPTION 'the tenures of stream % leave a hole or overlap', touched
                USING ERRCODE = 'exclusion_violation', CONSTRAINT = 'tenure_total';
        END IF;
    END LOOP;
    RETURN NULL;
END $$;
COMMENT ON FUNCTION fieldlab.tenure_is_total IS
    'Refuses, at commit, a timeline that does not cover all of time; whoever commits needs no right on the table.';
CREATE CONSTRAINT TRIGGER total AFTER INSERT OR UPDATE OR DELETE ON fieldlab.tenure
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION fieldlab.tenure_is_total();

CREATE FUNCTION fieldlab.open_timeline() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    INSERT INTO fieldlab.tenure (stream_id, owner_id, trial_id, start, until, booked)
    SELECT NEW.id, owner_id, trial_id, start, until, booked FROM fieldlab.tenure
    WHERE stream_id = (SELECT min(id) FROM fieldlab.stream WHERE asset_id = NEW.asset_id AND id <> NEW.id);
    IF NOT FOUND THEN
        INSERT INTO fieldlab.tenure (stream_id, owner_id, start, until, booked)
        SELECT NEW.id, home_owner_id, '-infinity', 'infinity', false FROM fieldlab.asset WHERE id = NEW.asset_id;
    END IF;
    RETURN NULL;
END $$;
COMMENT ON FUNCTION fieldlab.open_timeline IS
    'Gives a new stream to whoever has its asset: as the other streams of the asset, or else to the home owner.';
CREATE TRIGGER open_timeline AFTER INSERT ON fieldlab.stream
    FOR EACH ROW EXECUTE FUNCTION fieldlab.open_timeline();

CREATE TABLE fieldlab.tenure_event (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT now(),
    asset_id integer NOT NULL REFERENCES fieldlab.asset,
    principal text NOT NULL,
    kind text NOT NULL CHECK (kind IN ('hand_over', 'return')),
    removed jsonb NOT NULL,
    added jsonb NOT NULL
);
COMMENT ON TABLE fieldlab.tenure_event IS 'What changed in the tenures of an asset, who did it and when; append-only.';

CREATE FUNCTION fieldlab.refuse_change() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RAISE EXCEPTION '% cannot be changed by %', TG_TABLE_NAME, TG_OP USING ERRCODE = 'insufficient_privilege';
END $$;
COMMENT ON FUNCTION fieldlab.refuse_change IS 'Keeps a history from being edited, by whomever.';
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON fieldlab.tenure_event
    FOR EACH STATEMENT EXECUTE FUNCTION fieldlab.refuse_change();
CREATE TRIGGER never_emptied BEFORE TRUNCATE ON fieldlab.tenure
    FOR EACH STATEMENT EXECUTE FUNCTION fieldlab.refuse_change();
REVOKE ALL ON FUNCTION fieldlab.tenure_is_total, fieldlab.open_timeline, fieldlab.refuse_change FROM PUBLIC;
"""

DROP = """
DROP TABLE fieldlab.tenure_event, fieldlab.tenure;
DROP TRIGGER open_timeline ON fieldlab.stream;
DROP FUNCTION fieldlab.tenure_is_total, fieldlab.open_timeline, fieldlab.refuse_change;
"""


def upgrade() -> None:
    op.execute(CREATE)


def downgrade() -> None:
    op.execute(DROP)

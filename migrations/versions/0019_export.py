"""Exports: large answers made in the background in the name of who asked, kept for a time, withdrawn with the right.

A job reads with a ticket, which only the service's own disk has; here lies its hash, as of a key. While the job waits
or runs, the ticket binds a transaction to the credential that asked for the export, as long as that one is valid.
"""

from alembic import op

revision = "0019"
down_revision = "0018"

TABLES = """
CREATE TABLE fieldlab.export (
    id uuid PRIMARY KEY,
    participant_id integer NOT NULL REFERENCES fieldlab.participant,
    credential_id uuid NOT NULL REFERENCES fieldlab.credential,
    ticket bytea NOT NULL UNIQUE,
    question text NOT NULL,
    requested_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,
    state text NOT NULL DEFAULT 'queued'
        CHECK (state IN ('queued', 'running', 'ready', 'failed', 'withdrawn', 'cancelled')),
    leased_until timestamptz,
    progress double precision NOT NULL DEFAULT 0,
    rows bigint NOT NULL DEFAULT 0,
    detail text NOT NULL DEFAULT '',
    size bigint,
    sha256 text,
    finished_at timestamptz
);
COMMENT ON TABLE fieldlab.export IS
    'Large answers made in the background; ticket is the SHA-256 of the SHA-256 of what the job reads with.';
CREATE INDEX ON fieldlab.export (participant_id, requested_at);
CREATE INDEX ON fieldlab.export (credential_id);
ALTER TABLE fieldlab.export ALTER COLUMN ticket SET STATISTICS 0, ALTER COLUMN question SET STATISTICS 0,
    ALTER COLUMN detail SET STATISTICS 0, ALTER COLUMN sha256 SET STATISTICS 0;

CREATE TABLE fieldlab.export_part (
    export_id uuid NOT NULL REFERENCES fieldlab.export ON DELETE CASCADE,
    number integer NOT NULL,
    stream_id integer NOT NULL REFERENCES fieldlab.stream,
    owner_id integer NOT NULL REFERENCES fieldlab.participant,
    agreement_id uuid REFERENCES fieldlab.agreement,
    start timestamptz NOT NULL,
    until timestamptz NOT NULL,
    PRIMARY KEY (export_id, number)
);
COMMENT ON TABLE fieldlab.export_part IS 'What an export holds: a stretch of a stream, of an owner, on a basis.';
CREATE INDEX ON fieldlab.export_part (stream_id, start, until);
"""

BINDING = """
CREATE OR REPLACE FUNCTION visible.bind(presented bytea)
RETURNS TABLE (participant text, principal text, permissions text[], key uuid, expires_at timestamptz,
               decided_at timestamptz)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    found fieldlab.credential;
BEGIN
    SELECT * INTO found FROM fieldlab.credential AS c
    WHERE c.digest = sha256(presented) AND c.revoked_at IS NULL AND c.expires_at > clock_timestamp();
    IF found.id IS NULL THEN
        SELECT c.* INTO found FROM fieldlab.export AS x JOIN fieldlab.credential AS c ON c.id = x.credential_id
        WHERE x.ticket = sha256(presented) AND x.state IN ('queued', 'running') AND x.expires_at > clock_timestamp()
          AND c.revoked_at IS NULL AND c.expires_at > clock_timestamp();
    END IF;
    IF found.id IS NULL THEN
        PERFORM set_config('fieldlab.binding', '', true);
        RETURN;
    END IF;
    PERFORM set_config('fieldlab.binding',
                       found.id::text || ' ' || encode(fieldlab.binding_mark(found.id), 'hex'), true);
    RETURN QUERY SELECT p.slug, found.principal, found.permissions, found.id, found.expires_at,
                        transaction_timestamp()
                 FROM fieldlab.participant AS p WHERE p.id = found.participant_id;
END $$;
"""

_TICKETS = BINDING[BINDING.index("    IF found.id") : BINDING.index("    IF found.id", BINDING.index("    END IF"))]
BINDING_BEFORE = BINDING.replace(_TICKETS, "")

HOLDING = """
CREATE FUNCTION fieldlab.export_holds(of uuid) RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT NOT EXISTS (
        SELECT FROM fieldlab.export_part AS part JOIN fieldlab.export AS x ON x.id = part.export_id
        WHERE part.export_id = of AND NOT coalesce((
            SELECT range_agg(tstzrange(e.start, e.until)) FROM fieldlab.permitted AS e
            WHERE e.reader_id = x.participant_id AND e.stream_id = part.stream_id AND e.owner_id = part.owner_id
              AND e.basis = CASE WHEN part.agreement_id IS NULL THEN 'own' ELSE 'agreement' END
              AND e.agreement_id IS NOT DISTINCT FROM part.agreement_id) @> tstzrange(part.start, part.until), false))
$$;
COMMENT ON FUNCTION fieldlab.export_holds IS
    'Tells whether the participant of an export may still see each stretch of it, of the same owner on the same basis.';

CREATE FUNCTION fieldlab.withdraw_exports(of_stream integer, since timestamptz, before timestamptz) RETURNS bigint
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
    WITH withdrawn AS (
        UPDATE fieldlab.export AS x
        SET state = 'withdrawn', finished_at = now(), detail = 'Some of its data was erased by its owner.'
        WHERE x.state IN ('queued', 'running', 'ready') AND EXISTS (
            SELECT FROM fieldlab.export_part AS part
            WHERE part.export_id = x.id AND part.stream_id = of_stream AND part.start < before AND part.until > since)
        RETURNING x.id)
    SELECT count(*) FROM withdrawn
$$;
COMMENT ON FUNCTION fieldlab.withdraw_exports IS
    'Withdraws every export that holds something of a stretch which is erased; the service then deletes their files.';
"""

ASKING = """
CREATE FUNCTION visible.request_export(made uuid, asked text, marked bytea, lives interval) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    me fieldlab.credential;
BEGIN
    SELECT * INTO me FROM fieldlab.bound();
    IF me.id IS NULL OR NOT 'data:read' = ANY (me.permissions) THEN
        RAISE EXCEPTION 'only data:read asks for an export' USING ERRCODE = 'insufficient_privilege';
    END IF;
    IF (SELECT count(*) FROM fieldlab.export AS x WHERE x.participant_id = me.participant_id
        AND x.state IN ('queued', 'running') AND x.expires_at > now()) >= 20 THEN
        RAISE EXCEPTION 'too many exports are waiting' USING ERRCODE = 'object_not_in_prerequisite_state';
    END IF;
    INSERT INTO fieldlab.export (id, participant_id, credential_id, ticket, question, expires_at)
    VALUES (made, me.participant_id, me.id, marked, asked, now() + lives);
END $$;
COMMENT ON FUNCTION visible.request_export IS
    'Enters an export in the name of the bound credential; marked is the hash of the ticket that its job reads with.';

CREATE FUNCTION fieldlab.seen_exports(wanted uuid)
RETURNS TABLE (id uuid, question text, requested_at timestamptz, expires_at timestamptz, state text,
               progress double precision, rows bigint, detail text, size bigint, sha256 text, finished_at timestamptz)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    reader integer := fieldlab.bound_with('data:read');
BEGIN
    RETURN QUERY
    SELECT x.id, x.question, x.requested_at, x.expires_at,
           CASE WHEN x.state IN ('queued', 'running', 'ready') AND x.expires_at <= now() THEN 'expired' ELSE x.state
           END,
           x.progress, x.rows, x.detail, x.size, x.sha256, x.finished_at
    FROM fieldlab.export AS x WHERE x.participant_id = reader AND (wanted IS NULL OR x.id = wanted);
END $$;
COMMENT ON FUNCTION fieldlab.seen_exports IS
    'Stands behind visible.export, so that no plan shows the rest; wanted NULL means all.';
CREATE VIEW visible.export WITH (security_barrier) AS SELECT * FROM fieldlab.seen_exports(NULL);
COMMENT ON VIEW visible.export IS 'The exports that the reader''s participant asked for.';

CREATE FUNCTION visible.check_export(of uuid) RETURNS boolean
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN EXISTS (SELECT FROM fieldlab.seen_exports(of) AS x WHERE x.state = 'ready') AND fieldlab.export_holds(of);
END $$;
COMMENT ON FUNCTION visible.check_export IS
    'Tells whether the bound reader may have an export of its participant''s now: ready, and all of it still its own.';

CREATE FUNCTION visible.end_export(of uuid) RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    UPDATE fieldlab.export AS x SET state = 'cancelled', finished_at = now(), detail = 'You ended it.'
    WHERE x.id = of AND x.participant_id = fieldlab.bound_with('data:read')
      AND x.state IN ('queued', 'running', 'ready');
    RETURN FOUND;
END $$;
COMMENT ON FUNCTION visible.end_export IS
    'Ends one of the bound reader''s exports; the service deletes what there is of it.';
"""

WORKING = """
CREATE FUNCTION visible.claim_export(presented bytea[], lease interval)
RETURNS TABLE (ticket bytea, id uuid, question text, requested_at timestamptz, expires_at timestamptz)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    chosen fieldlab.export;
    with_ticket bytea;
BEGIN
    SELECT x.* INTO chosen FROM fieldlab.export AS x
    WHERE x.ticket IN (SELECT sha256(one) FROM unnest(presented) AS one) AND x.expires_at > clock_timestamp()
      AND (x.state = 'queued' OR (x.state = 'running' AND x.leased_until < clock_timestamp()))
    ORDER BY x.requested_at LIMIT 1 FOR UPDATE SKIP LOCKED;
    IF chosen.id IS NULL THEN
        RETURN;
    END IF;
    UPDATE fieldlab.export AS x SET state = 'running', leased_until = clock_timestamp() + lease, progress = 0, rows = 0
    WHERE x.id = chosen.id;
    DELETE FROM fieldlab.export_part WHERE export_id = chosen.id;
    SELECT one INTO with_ticket FROM unnest(presented) AS one WHERE sha256(one) = chosen.ticket;
    RETURN QUERY SELECT with_ticket, chosen.id, chosen.question, chosen.requested_at, chosen.expires_at;
END $$;
COMMENT ON FUNCTION visible.claim_export IS
    'Takes the oldest waiting export of those whose tickets are presented, or one whose worker has gone silent.';

CREATE FUNCTION visible.hold_export(presented bytea, streams integer[], owners text[], agreements uuid[],
                                    starts timestamptz[], untils timestamptz[]) RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    held uuid := (SELECT x.id FROM fieldlab.export AS x WHERE x.ticket = sha256(presented) AND x.state = 'running');
BEGIN
    INSERT INTO fieldlab.export_part (export_id, number, stream_id, owner_id, agreement_id, start, until)
    SELECT held, part.number, part.stream, o.id, part.agreement, part.start, part.until
    FROM unnest(streams, owners, agreements, starts, untils) WITH ORDINALITY
        AS part (stream, owner, agreement, start, until, number)
    JOIN fieldlab.participant AS o ON o.slug = part.owner
    WHERE held IS NOT NULL;
    RETURN held IS NOT NULL AND fieldlab.export_holds(held);
END $$;
COMMENT ON FUNCTION visible.hold_export IS
    'Notes what a running export is going to hold, before it is read; false if that is not its reader''s any more.';

CREATE FUNCTION visible.note_export(presented bytea, so_far double precision, so_many bigint, lease interval)
RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    UPDATE fieldlab.export AS x SET progress = so_far, rows = so_many, leased_until = clock_timestamp() + lease
    WHERE x.ticket = sha256(presented) AND x.state = 'running' AND x.expires_at > clock_timestamp();
    RETURN FOUND;
END $$;
COMMENT ON FUNCTION visible.note_export IS
    'Notes how far a running export is, and keeps it from other workers; false if it is to stop.';

CREATE FUNCTION visible.finish_export(presented bytea, becomes text, why text, bytes bigint, digest text)
RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    UPDATE fieldlab.export AS x
    SET state = CASE WHEN becomes = 'ready' AND NOT fieldlab.export_holds(x.id) THEN 'withdrawn' ELSE becomes END,
        progress = CASE becomes WHEN 'ready' THEN 1 ELSE x.progress END, detail = left(why, 1000), size = bytes,
        sha256 = digest, finished_at = clock_timestamp()
    WHERE x.ticket = sha256(presented) AND x.state = 'running' AND becomes IN ('ready', 'failed', 'withdrawn');
    RETURN FOUND;
END $$;
COMMENT ON FUNCTION visible.finish_export IS
    'Ends the job of a running export: it is ready, or why it is not; what is no longer its reader''s is withdrawn.';

CREATE FUNCTION visible.spent_exports(presented bytea[]) RETURNS TABLE (ticket bytea)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    UPDATE fieldlab.export AS x
    SET state = 'withdrawn', finished_at = now(), detail = 'Some of its data is not yours to read any more.'
    WHERE x.ticket IN (SELECT sha256(one) FROM unnest(presented) AS one) AND x.state = 'ready'
      AND NOT fieldlab.export_holds(x.id);
    RETURN QUERY
    SELECT one FROM unnest(presented) AS one
    WHERE NOT EXISTS (
        SELECT FROM fieldlab.export AS x
        WHERE x.ticket = sha256(one) AND x.state IN ('queued', 'running', 'ready') AND x.expires_at > now());
END $$;
COMMENT ON FUNCTION visible.spent_exports IS
    'Those of the tickets presented whose exports have nothing more to give: ended, over, or withdrawn just now.';
"""

RIGHTS = """
REVOKE ALL ON FUNCTION fieldlab.export_holds, fieldlab.withdraw_exports, fieldlab.seen_exports, visible.request_export,
    visible.check_export, visible.end_export, visible.claim_export, visible.hold_export, visible.note_export,
    visible.finish_export, visible.spent_exports FROM PUBLIC;
GRANT SELECT ON visible.export TO fieldlab_api;
GRANT EXECUTE ON FUNCTION fieldlab.seen_exports, visible.request_export, visible.check_export, visible.end_export,
    visible.claim_export, visible.hold_export, visible.note_export, visible.finish_export, visible.spent_exports
    TO fieldlab_api;
"""

DROP = """
DROP FUNCTION visible.spent_exports, visible.finish_export, visible.note_export, visible.hold_export,
    visible.claim_export, visible.end_export, visible.check_export;
DROP VIEW visible.export;
DROP FUNCTION fieldlab.seen_exports, visible.request_export, fieldlab.withdraw_exports, fieldlab.export_holds;
DROP TABLE fieldlab.export_part, fieldlab.export;
"""


def upgrade() -> None:
    for part in (TABLES, BINDING, HOLDING, ASKING, WORKING, RIGHTS):
        op.execute(part)


def downgrade() -> None:
    op.execute(BINDING_BEFORE)
    op.execute(DROP)

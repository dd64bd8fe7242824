"""Exports that go on: what an interrupted job had noted stays, and a token's end is not the end of its job.

An access token lives for minutes, since it says who somebody is just now; an export takes longer. Its job reads with a
credential made for it, with the one permission it needs, and is revoked with the token's. A key's end is a term of the
right that it gives, so it ends its jobs as ever.
"""

from alembic import op

revision = "0034"
down_revision = "0033"

REQUEST = """
CREATE OR REPLACE FUNCTION visible.request_export(made uuid, asked text, marked bytea, lives interval) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    me fieldlab.credential;
    reader uuid;
BEGIN
    SELECT * INTO me FROM fieldlab.bound();
    IF me.id IS NULL OR NOT 'data:read' = ANY (me.permissions) THEN
        RAISE EXCEPTION 'only data:read asks for an export' USING ERRCODE = 'insufficient_privilege';
    END IF;
    IF (SELECT count(*) FROM fieldlab.export AS x WHERE x.participant_id = me.participant_id
        AND x.state IN ('queued', 'running') AND x.expires_at > now()) >= 20 THEN
        RAISE EXCEPTION 'too many exports are waiting' USING ERRCODE = 'object_not_in_prerequisite_state';
    END IF;
    reader := me.id;
    IF me.admitted THEN
        INSERT INTO fieldlab.credential
            (participant_id, principal, digest, permissions, expires_at, admitted, issued_by)
        VALUES (me.participant_id, me.principal, sha256(marked), ARRAY['data:read'], now() + lives, true, me.id)
        RETURNING id INTO STRICT reader;
    END IF;
    INSERT INTO fieldlab.export (id, participant_id, credential_id, ticket, question, expires_at)
    VALUES (made, me.participant_id, reader, marked, asked, now() + lives);
END $$;
COMMENT ON FUNCTION visible.request_export IS
    'Enters an export in the name of the bound credential; marked is the hash of the ticket that its job reads with. The
job of a token reads with a credential of its own, which no token opens, and which is revoked with that token''s.';
"""

CLAIM = """
CREATE OR REPLACE FUNCTION visible.claim_export(presented bytea[], lease interval)
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
    UPDATE fieldlab.export AS x SET state = 'running', leased_until = clock_timestamp() + lease
    WHERE x.id = chosen.id;
    SELECT one INTO with_ticket FROM unnest(presented) AS one WHERE sha256(one) = chosen.ticket;
    RETURN QUERY SELECT with_ticket, chosen.id, chosen.question, chosen.requested_at, chosen.expires_at;
END $$;
"""

CLAIM_EARLIER = CLAIM.replace(
    "leased_until = clock_timestamp() + lease\n", "leased_until = clock_timestamp() + lease, progress = 0, rows = 0\n"
).replace(
    "    SELECT one INTO", "    DELETE FROM fieldlab.export_part WHERE export_id = chosen.id;\n    SELECT one INTO"
)

NOTE = """
CREATE OR REPLACE FUNCTION visible.note_export(presented bytea, so_far double precision, so_many bigint, lease interval)
RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    UPDATE fieldlab.export AS x
    SET progress = coalesce(so_far, x.progress), rows = coalesce(so_many, x.rows),
        leased_until = clock_timestamp() + lease
    WHERE x.ticket = sha256(presented) AND x.state = 'running' AND x.expires_at > clock_timestamp();
    RETURN FOUND;
END $$;
"""

NOTE_EARLIER = NOTE.replace("coalesce(so_far, x.progress)", "so_far").replace("coalesce(so_many, x.rows)", "so_many")

HOLD = """
CREATE OR REPLACE FUNCTION visible.hold_export(presented bytea, streams integer[], owners text[], agreements uuid[],
                                               starts timestamptz[], untils timestamptz[]) RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    held uuid;
BEGIN
    SELECT x.id INTO held FROM fieldlab.export AS x WHERE x.ticket = sha256(presented) AND x.state = 'running'
    FOR UPDATE;
    DELETE FROM fieldlab.export_part WHERE export_id = held;
    INSERT INTO fieldlab.export_part (export_id, number, stream_id, owner_id, agreement_id, start, until)
    SELECT held, part.number, part.stream, o.id, part.agreement, part.start, part.until
    FROM unnest(streams, owners, agreements, starts, untils) WITH ORDINALITY
        AS part (stream, owner, agreement, start, until, number)
    JOIN fieldlab.participant AS o ON o.slug = part.owner
    WHERE held IS NOT NULL;
    RETURN held IS NOT NULL AND fieldlab.export_holds(held);
END $$;
COMMENT ON FUNCTION visible.hold_export IS
    'Notes what a running export is going to hold, before it is read; false if that is not its reader''s any more. What
an interrupted job had noted stands until then, so that an erasure meanwhile withdraws it.';
"""

HOLD_EARLIER = """
CREATE OR REPLACE FUNCTION visible.hold_export(presented bytea, streams integer[], owners text[], agreements uuid[],
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
"""

ADMIT = """
CREATE OR REPLACE FUNCTION visible.admit(presented bytea, of_participant text, as_principal text, may text[],
                                         until timestamptz, mark bytea) RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' AS $$
DECLARE
    key bytea := (SELECT s.value FROM fieldlab.secret AS s WHERE s.name = 'admission');
    said bytea := convert_to(jsonb_build_array(encode(presented, 'hex'), of_participant, as_principal, may,
                                               extract(epoch FROM until)::bigint)::text, 'UTF8');
BEGIN
    IF key IS NULL OR mark IS DISTINCT FROM sha256(key || sha256(key || said)) THEN
        RAISE EXCEPTION 'that is not marked with the admission key' USING ERRCODE = 'insufficient_privilege';
    END IF;
    DELETE FROM fieldlab.credential AS c
    WHERE c.admitted AND c.expires_at < now() - interval '7 days'
      AND NOT EXISTS (SELECT FROM fieldlab.export AS x WHERE x.credential_id = c.id);
    INSERT INTO fieldlab.credential (participant_id, principal, digest, permissions, expires_at, admitted)
    SELECT p.id, as_principal, sha256(presented), may, least(until, now() + interval '1 day'), true
    FROM fieldlab.participant AS p WHERE p.slug = of_participant
    ON CONFLICT (digest) DO NOTHING;
    RETURN EXISTS (SELECT FROM fieldlab.credential AS c WHERE c.digest = sha256(presented));
END $$;
"""

ADMIT_EARLIER = ADMIT.replace(
    "\n      AND NOT EXISTS (SELECT FROM fieldlab.export AS x WHERE x.credential_id = c.id)", ""
)

REQUEST_EARLIER = """
CREATE OR REPLACE FUNCTION visible.request_export(made uuid, asked text, marked bytea, lives interval) RETURNS void
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
"""


def upgrade() -> None:
    for part in (REQUEST, CLAIM, NOTE, HOLD, ADMIT):
        op.execute(part)


def downgrade() -> None:
    for part in (REQUEST_EARLIER, CLAIM_EARLIER, NOTE_EARLIER, HOLD_EARLIER, ADMIT_EARLIER):
        op.execute(part)

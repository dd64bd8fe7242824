"""Who asks is looked up once a statement, and one's own newest values are decided on by a look at the tenures.

What finds the credential, the streams and writes an entry are functions of their own, which take what was found before
instead of finding it again. They are nobody's but the owner's to call. The mark of a binding is compared as text: what
fits it was written here, and needs no other look.
"""

from pathlib import Path
from typing import Final

from alembic import op

from migrations.edit import edit

revision = "0052"
down_revision = "0051"

PRESENTED = """
CREATE FUNCTION fieldlab.presented(presented bytea) RETURNS fieldlab.credential
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
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
    RETURN found;
END $$;
COMMENT ON FUNCTION fieldlab.presented IS
    'The valid credential that is presented, by the digest of its token or the ticket of an export that runs; or NULL.';
"""

BOUND = """
CREATE FUNCTION fieldlab.binding_mark(credential text) RETURNS text
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN (SELECT encode(sha256(value || sha256(value || convert_to(
                credential || pg_backend_pid() || extract(epoch FROM transaction_timestamp()), 'UTF8'))), 'hex')
            FROM fieldlab.secret WHERE name = 'binding');
END $$;
COMMENT ON FUNCTION fieldlab.binding_mark(text) IS
    'What only the owner can compute of a credential, a session and its transaction.';

CREATE FUNCTION fieldlab.bind(presented bytea) RETURNS fieldlab.credential
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    who fieldlab.credential := fieldlab.presented(presented);
BEGIN
    PERFORM set_config('fieldlab.binding', coalesce(who.id || ' ' || fieldlab.binding_mark(who.id::text), ''), true);
    RETURN who;
END $$;
COMMENT ON FUNCTION fieldlab.bind IS
    'Binds this transaction to the participant whose credential is presented, to nobody if it is void.';

CREATE OR REPLACE FUNCTION visible.bind(presented bytea)
RETURNS TABLE (participant text, principal text, permissions text[], key uuid, expires_at timestamptz,
               decided_at timestamptz)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    who fieldlab.credential := fieldlab.bind(presented);
BEGIN
    RETURN QUERY SELECT p.slug, who.principal, who.permissions, who.id, who.expires_at, transaction_timestamp()
                 FROM fieldlab.participant AS p WHERE p.id = who.participant_id;
END $$;

CREATE OR REPLACE FUNCTION fieldlab.bound() RETURNS fieldlab.credential
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    binding text := current_setting('fieldlab.binding', true);
    found fieldlab.credential;
BEGIN
    IF substr(binding, 38) = fieldlab.binding_mark(left(binding, 36)) THEN
        SELECT * INTO found FROM fieldlab.credential
        WHERE id = left(binding, 36)::uuid AND revoked_at IS NULL AND expires_at > clock_timestamp();
    END IF;
    RETURN found;
END $$;
DROP FUNCTION fieldlab.binding_mark(uuid);
"""

FOUND = """
CREATE FUNCTION fieldlab.found_streams(who fieldlab.credential, ids uuid[], assets text[], names text[])
RETURNS integer[]
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    found integer[];
BEGIN
    IF cardinality(ids) > 0 THEN
        found := ARRAY(
            SELECT s.id FROM fieldlab.stream AS s WHERE s.uid = ANY (ids)
            UNION
            SELECT s.id FROM unnest(assets, names) AS n (asset, name)
            JOIN fieldlab.asset AS a ON a.slug = n.asset
            JOIN fieldlab.stream AS s ON s.asset_id = a.id AND s.name = n.name);
    ELSE
        found := ARRAY(
            SELECT DISTINCT s.id FROM unnest(assets, names) AS n (asset, name)
            JOIN fieldlab.asset AS a ON a.slug = n.asset
            JOIN fieldlab.stream AS s ON s.asset_id = a.id AND s.name = n.name);
    END IF;
    IF who.streams IS NOT NULL THEN
        found := ARRAY(SELECT f FROM unnest(found) AS f WHERE f = ANY (who.streams));
    END IF;
    RETURN found;
END $$;
COMMENT ON FUNCTION fieldlab.found_streams IS
    'The streams of these ids and pairs of asset and name that are within the limits of a key, each once, seen or not.';

CREATE FUNCTION fieldlab.has_others(reader integer) RETURNS boolean
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN EXISTS (SELECT FROM fieldlab.agreement AS a WHERE a.grantee_id = reader AND a.state = 'active')
        OR EXISTS (SELECT FROM fieldlab.break_glass AS b WHERE b.participant_id = reader AND now() < b.closes_at);
END $$;
COMMENT ON FUNCTION fieldlab.has_others IS
    'Whether anything of others'' may be open to a reader, by agreement or with broken glass; if not, tenures decide.';
"""

DECIDES: Final = "visible.decision(bytea, uuid[], text[], text[], text, timestamptz, timestamptz, bigint, uuid)"

DECISION: Final = (
    (
        """
    PERFORM FROM visible.bind(presented);
    SELECT * INTO who FROM fieldlab.bound();
    IF""",
        """
    who := fieldlab.bind(presented);
    IF""",
    ),
    (
        """
        SELECT array_agg(s.id) INTO candidates
        FROM fieldlab.asset AS a JOIN fieldlab.stream AS s ON s.asset_id = a.id WHERE a.slug = of_asset;
    ELSIF cardinality(ids) > 0 THEN
        SELECT array_agg(found.id) INTO candidates FROM (
            SELECT s.id FROM fieldlab.stream AS s WHERE s.uid = ANY (ids)
            UNION
            SELECT s.id FROM unnest(assets, names) AS n (asset, name)
            JOIN fieldlab.asset AS a ON a.slug = n.asset
            JOIN fieldlab.stream AS s ON s.asset_id = a.id AND s.name = n.name) AS found;
    ELSE
        SELECT array_agg(s.id) INTO candidates
        FROM unnest(assets, names) AS n (asset, name)
        JOIN fieldlab.asset AS a ON a.slug = n.asset
        JOIN fieldlab.stream AS s ON s.asset_id = a.id AND s.name = n.name;
    END IF;
    candidates := coalesce(candidates, '{}');
    IF who.streams IS NOT NULL THEN
        candidates := ARRAY(SELECT c FROM unnest(candidates) AS c WHERE c = ANY (who.streams));
    END IF;
    shared := preview IS NOT NULL OR EXISTS (
        SELECT FROM fieldlab.agreement AS a WHERE a.grantee_id = reader AND a.state = 'active')
        OR EXISTS (SELECT FROM fieldlab.break_glass AS b WHERE b.participant_id = reader AND now() < b.closes_at);
""",
        """
        candidates := ARRAY(SELECT s.id FROM fieldlab.asset AS a JOIN fieldlab.stream AS s ON s.asset_id = a.id
                            WHERE a.slug = of_asset AND (who.streams IS NULL OR s.id = ANY (who.streams)));
    ELSE
        candidates := fieldlab.found_streams(who, ids, assets, names);
    END IF;
    shared := preview IS NOT NULL OR fieldlab.has_others(reader);
""",
    ),
    (
        """
        SELECT array_agg(e.stream_id), array_agg(greatest(e.start, decision.start)),
               array_agg(least(e.until, decision.until)), array_agg(e.tenure_id), array_agg(o.slug), array_agg(r.slug),
               array_agg(e.basis), array_agg(NULL::uuid)
        INTO right_streams, right_starts, right_untils, right_tenures, right_owners, right_trials, right_bases,
             right_agreements
        FROM fieldlab.entitlement AS e
        JOIN fieldlab.participant AS o ON o.id = e.owner_id
        LEFT JOIN fieldlab.trial AS r ON r.id = e.trial_id
        WHERE e.reader_id = reader""",
        """
        SELECT array_agg(e.stream_id), array_agg(greatest(e.start, decision.start)),
               array_agg(least(e.until, decision.until)), array_agg(e.id), array_agg(o.slug), array_agg(r.slug),
               array_agg('own'::text), array_agg(NULL::uuid)
        INTO right_streams, right_starts, right_untils, right_tenures, right_owners, right_trials, right_bases,
             right_agreements
        FROM fieldlab.tenure AS e
        JOIN fieldlab.participant AS o ON o.id = e.owner_id
        LEFT JOIN fieldlab.trial AS r ON r.id = e.trial_id
        WHERE e.owner_id = reader""",
    ),
)
"""What `visible.decision` no longer does itself: the candidates are within the limits of the key, so tenures decide."""

NOTE = """
CREATE FUNCTION fieldlab.note(who fieldlab.credential, of uuid, of_kind text, asked jsonb, stated text,
                              of_streams integer[], of_tenures bigint[], since timestamptz[], before timestamptz[],
                              under uuid[], counts bigint[])
RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    owned_by integer[];
BEGIN
    IF cardinality(of_tenures) = 1 THEN
        owned_by := ARRAY[(SELECT t.owner_id FROM fieldlab.tenure AS t
                           WHERE t.id = of_tenures[1] AND t.stream_id = of_streams[1]
                             AND (of_kind = 'live' OR t.start <= since[1] AND t.until >= before[1]))];
    ELSE
        owned_by := ARRAY(SELECT t.owner_id
                          FROM unnest(of_tenures, of_streams, since, before) WITH ORDINALITY
                              AS s (id, stream, start, until, place)
                          LEFT JOIN fieldlab.tenure AS t ON t.id = s.id AND t.stream_id = s.stream
                              AND (of_kind = 'live' OR t.start <= s.start AND t.until >= s.until) ORDER BY s.place);
    END IF;
    INSERT INTO fieldlab.access (id, participant_id, credential_id, principal, kind, question, purpose, running,
                                 streams, tenures, owners, starts, untils, agreements, rows)
    VALUES (of, who.participant_id, who.id, who.principal, of_kind, asked, left(stated, 200), counts IS NULL,
            of_streams, of_tenures, owned_by, since, before, under, counts);
    INSERT INTO fieldlab.ledger_waiting (kind, access_id) VALUES ('access', of);
END $$;
COMMENT ON FUNCTION fieldlab.note IS
    'Writes the entry of a request in the name of a credential that its caller has looked up; see visible.note_access.';

CREATE OR REPLACE FUNCTION visible.note_access(of uuid, of_kind text, asked jsonb, stated text, of_streams integer[],
                                               of_tenures bigint[], since timestamptz[], before timestamptz[],
                                               under uuid[], counts bigint[])
RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    who fieldlab.credential := fieldlab.bound();
BEGIN
    IF who.id IS NULL THEN
        RAISE EXCEPTION 'nobody is bound' USING ERRCODE = 'insufficient_privilege';
    END IF;
    PERFORM fieldlab.note(who, of, of_kind, asked, stated, of_streams, of_tenures, since, before, under, counts);
    PERFORM set_config('fieldlab.access', of::text, true);
END $$;
"""

OWN = """
DROP FUNCTION visible.own_latest;
CREATE FUNCTION visible.own_latest(presented bytea, ids uuid[], assets text[], names text[], stated text)
RETURNS TABLE (decided_at timestamptz, key integer, id uuid, asset text, name text, kind text, unit text,
               quantity text, semantic_id text, description text, nature text, tenure bigint, owner text, trial text,
               "time" timestamptz, value double precision, text text, status smallint, origin smallint)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER ROWS 1 SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
    who fieldlab.credential := fieldlab.presented(presented);
    reader integer := CASE WHEN 'data:read' = ANY (who.permissions) THEN who.participant_id END;
    wanted integer[];
    streams integer[];
    tenures bigint[];
    starts timestamptz[];
    untils timestamptz[];
    told text[];
    given bigint[];
BEGIN
    IF reader IS NULL THEN
        RETURN;
    END IF;
    wanted := fieldlab.found_streams(who, ids, assets, names);
    SELECT array_agg(t.stream_id), array_agg(t.id), array_agg(t.start), array_agg(t.until)
    INTO streams, tenures, starts, untils
    FROM fieldlab.tenure AS t WHERE t.owner_id = reader AND t.stream_id = ANY (wanted);
    IF cardinality(wanted) <> cardinality(ids) + cardinality(assets) OR NOT wanted <@ coalesce(streams, '{}') THEN
        RETURN;
    END IF;
    IF fieldlab.has_others(reader) AND EXISTS (
        SELECT FROM fieldlab.permitted AS e
        WHERE e.reader_id = reader AND e.stream_id = ANY (wanted) AND e.basis NOT IN ('own', 'preview')) THEN
        RETURN;
    END IF;
    FOR decided_at, key, id, asset, name, kind, unit, quantity, semantic_id, description, nature,
        tenure, owner, trial, "time", value, text, status, origin IN
        SELECT transaction_timestamp(), s.id, s.uid, a.slug, s.name, s.kind, s.unit, s.quantity, s.semantic_id,
               s.description, a.nature, l.id, o.slug, r.slug, l.time, l.value, l.text, l.status, l.origin
        FROM unnest(wanted) AS w
        JOIN fieldlab.stream AS s ON s.id = w
        JOIN fieldlab.asset AS a ON a.id = s.asset_id
        JOIN fieldlab.participant AS o ON o.id = reader
        LEFT JOIN LATERAL (
            SELECT t.id, t.trial_id, m.time, m.value, m.text, m.status, m.origin
            FROM fieldlab.tenure AS t CROSS JOIN LATERAL (
                SELECT * FROM fieldlab.measurement AS n
                WHERE n.stream_id = t.stream_id AND n.time >= t.start AND n.time < t.until
                ORDER BY n.time DESC LIMIT 1) AS m
            WHERE t.owner_id = reader AND t.stream_id = w
            ORDER BY t.start DESC LIMIT 1) AS l ON true
        LEFT JOIN fieldlab.trial AS r ON r.id = l.trial_id
    LOOP
        told := told || (asset || '.' || name);
        given := given || tenure;
        RETURN NEXT;
    END LOOP;
    PERFORM fieldlab.note(
        who, gen_random_uuid(), 'latest',
        jsonb_build_object('from', '-infinity', 'until', 'infinity', 'streams', to_jsonb(told)), stated,
        streams, tenures, starts, untils, NULL,
        ARRAY(SELECT coalesce(t = ANY (given), false)::integer::bigint FROM unnest(tenures) AS t));
END $$;
COMMENT ON FUNCTION visible.own_latest IS
    'These streams (by ids, by pairs of asset and name), each with its newest sample that is the reader''s own, where
all of them are or were the reader''s and nothing of them is open to it under an agreement: its tenures alone decide.
Notes the access with the rows that it gives, at one moment in a transaction that sees one. In any other case no row,
and nothing is noted: ask visible.decision, which tells why.';
REVOKE ALL ON FUNCTION visible.own_latest FROM PUBLIC;
GRANT EXECUTE ON FUNCTION visible.own_latest TO fieldlab_api;
"""

INNER = """
REVOKE ALL ON FUNCTION fieldlab.presented, fieldlab.binding_mark(text), fieldlab.bind, fieldlab.found_streams,
                       fieldlab.has_others, fieldlab.note FROM PUBLIC;
"""

EARLIER: Final = Path(__file__).with_name("0052_earlier.sql")
"""The functions as they were."""


def upgrade() -> None:
    for part in (PRESENTED, BOUND, FOUND, NOTE, OWN, INNER):
        op.execute(part)
    for old, new in DECISION:
        edit(DECIDES, old, new)


def downgrade() -> None:
    for old, new in DECISION:
        edit(DECIDES, new, old)
    op.execute("DROP FUNCTION visible.own_latest")
    op.execute(EARLIER.read_text(encoding="utf-8"))
    op.execute(
        "DROP FUNCTION fieldlab.note, fieldlab.has_others, fieldlab.found_streams, fieldlab.bind, "
        "fieldlab.binding_mark(text), fieldlab.presented"
    )

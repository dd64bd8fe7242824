"""Who read what: entries written with each decision, and a Merkle log over them that nobody can change unnoticed.

An entry is one insert in the transaction of the decision: readers never wait for each other. Some time later they are
sealed: each gets its leaves, one for the reader and one for every other owner whose data it concerned, in one order,
with the hashes of RFC 9162, section 2.1. A leaf's text is what is hashed; whom it concerns reads it whole, nobody else.
"""

from alembic import op

revision = "0012"
down_revision = "0011"

TABLES = """
CREATE TABLE fieldlab.access (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    at timestamptz NOT NULL DEFAULT now(),
    participant_id integer NOT NULL,
    credential_id uuid NOT NULL,
    principal text NOT NULL,
    kind text NOT NULL CHECK (kind ~ '^[a-z_]{1,40}$'),
    question jsonb NOT NULL,
    purpose text,
    running boolean NOT NULL,
    streams integer[] NOT NULL,
    tenures bigint[] NOT NULL,
    owners integer[] NOT NULL CHECK (array_position(owners, NULL) IS NULL),
    starts timestamptz[] NOT NULL,
    untils timestamptz[] NOT NULL,
    agreements uuid[],
    rows bigint[],
    CONSTRAINT access_complete CHECK (
        cardinality(streams) = cardinality(tenures) AND cardinality(streams) = cardinality(owners)
        AND cardinality(streams) = cardinality(starts) AND cardinality(streams) = cardinality(untils)
        AND (agreements IS NULL OR cardinality(agreements) = cardinality(streams))
        AND (rows IS NULL OR cardinality(rows) = cardinality(streams)) AND running = (rows IS NULL))
);
COMMENT ON TABLE fieldlab.access IS
    'One entry a request, one place in each array a segment; no foreign keys, whose locks readers would share.';
CREATE INDEX access_agreement ON fieldlab.access USING gin (agreements) WHERE agreements IS NOT NULL;
CREATE INDEX access_at ON fieldlab.access USING brin (at);

CREATE TABLE fieldlab.access_end (
    access_id uuid PRIMARY KEY REFERENCES fieldlab.access ON DELETE CASCADE,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    outcome text NOT NULL CHECK (outcome IN ('answered', 'cut', 'broken')),
    reason text NOT NULL,
    rows bigint[] NOT NULL
);
COMMENT ON TABLE fieldlab.access_end IS
    'How an answer that was running ended, and how many rows of each segment had left.';

CREATE TABLE fieldlab.ledger_waiting (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind text NOT NULL CHECK (kind IN ('access', 'end', 'notice')),
    access_id uuid,
    audience_id integer,
    by_id integer,
    body jsonb,
    CHECK (CASE kind WHEN 'notice' THEN body IS NOT NULL ELSE access_id IS NOT NULL END)
);
COMMENT ON TABLE fieldlab.ledger_waiting IS 'What is committed and not yet sealed.';

CREATE TABLE fieldlab.ledger_leaf (
    index bigint PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    audience_id integer,
    by_id integer,
    entry bigint NOT NULL,
    access_id uuid,
    text text NOT NULL
);
COMMENT ON TABLE fieldlab.ledger_leaf IS
    'The sealed entries in their order; audience NULL is everybody. A hash stays when its text is forgotten.';
CREATE INDEX ledger_leaf_audience ON fieldlab.ledger_leaf (audience_id, index);
CREATE INDEX ledger_leaf_access ON fieldlab.ledger_leaf (access_id);
CREATE INDEX ledger_leaf_entry ON fieldlab.ledger_leaf (entry);

CREATE TABLE fieldlab.ledger_node (
    level smallint NOT NULL,
    index bigint NOT NULL,
    hash bytea NOT NULL,
    PRIMARY KEY (level, index)
);
COMMENT ON TABLE fieldlab.ledger_node IS
    'The hashes of whole subtrees of the Merkle tree (RFC 9162): node (l, i) is that of leaves [i 2^l, (i + 1) 2^l).';

CREATE TABLE fieldlab.ledger_checkpoint (
    size bigint PRIMARY KEY,
    root bytea NOT NULL,
    at timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE fieldlab.ledger_checkpoint IS 'The root of the tree after each sealing; participants keep copies.';
ALTER TABLE fieldlab.access ALTER COLUMN principal SET STATISTICS 0, ALTER COLUMN question SET STATISTICS 0,
    ALTER COLUMN purpose SET STATISTICS 0;
ALTER TABLE fieldlab.ledger_leaf ALTER COLUMN text SET STATISTICS 0;
ALTER TABLE fieldlab.ledger_waiting ALTER COLUMN body SET STATISTICS 0;
"""

KEPT = """
CREATE FUNCTION fieldlab.refuse_young() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF OLD.at > now() - interval '1 year' THEN
        RAISE EXCEPTION 'an entry of the ledger is kept for a year at least' USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN OLD;
END $$;
COMMENT ON FUNCTION fieldlab.refuse_young IS 'Keeps entries from being forgotten before a year is over, by whomever.';

CREATE TRIGGER append_only BEFORE UPDATE OR TRUNCATE ON fieldlab.access
    FOR EACH STATEMENT EXECUTE FUNCTION fieldlab.refuse_change();
CREATE TRIGGER kept BEFORE DELETE ON fieldlab.access FOR EACH ROW EXECUTE FUNCTION fieldlab.refuse_young();
CREATE TRIGGER append_only BEFORE UPDATE OR TRUNCATE ON fieldlab.access_end
    FOR EACH STATEMENT EXECUTE FUNCTION fieldlab.refuse_change();
CREATE TRIGGER kept BEFORE DELETE ON fieldlab.access_end FOR EACH ROW EXECUTE FUNCTION fieldlab.refuse_young();
CREATE TRIGGER append_only BEFORE UPDATE OR TRUNCATE ON fieldlab.ledger_leaf
    FOR EACH STATEMENT EXECUTE FUNCTION fieldlab.refuse_change();
CREATE TRIGGER kept BEFORE DELETE ON fieldlab.ledger_leaf FOR EACH ROW EXECUTE FUNCTION fieldlab.refuse_young();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON fieldlab.ledger_node
    FOR EACH STATEMENT EXECUTE FUNCTION fieldlab.refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON fieldlab.ledger_checkpoint
    FOR EACH STATEMENT EXECUTE FUNCTION fieldlab.refuse_change();

CREATE FUNCTION fieldlab.told_of_end(of uuid) RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT EXISTS (SELECT FROM fieldlab.ledger_leaf AS l
                   WHERE l.access_id = of AND l.text::jsonb ->> 'outcome' <> 'running')
$$;
COMMENT ON FUNCTION fieldlab.told_of_end IS 'Whether the leaves of a request already say how it ended.';

CREATE FUNCTION fieldlab.sealed_only() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM fieldlab.ledger_leaf AS l WHERE l.entry = OLD.id)
       AND NOT (OLD.kind = 'end' AND fieldlab.told_of_end(OLD.access_id)) THEN
        RAISE EXCEPTION 'an entry that waits leaves by being sealed' USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN NULL;
END $$;
COMMENT ON FUNCTION fieldlab.sealed_only IS 'Refuses, at commit, that an entry which waits is dropped unsealed.';
CREATE CONSTRAINT TRIGGER sealed_only AFTER DELETE ON fieldlab.ledger_waiting
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION fieldlab.sealed_only();
CREATE TRIGGER append_only BEFORE UPDATE OR TRUNCATE ON fieldlab.ledger_waiting
    FOR EACH STATEMENT EXECUTE FUNCTION fieldlab.refuse_change();
"""

NOTING = """
CREATE FUNCTION visible.note_access(
    of uuid, of_kind text, asked jsonb, stated text, of_streams integer[], of_tenures bigint[], since timestamptz[],
    before timestamptz[], under uuid[], counts bigint[])
RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    reader fieldlab.credential := fieldlab.bound();
    owned_by integer[];
BEGIN
    IF reader.id IS NULL THEN
        RAISE EXCEPTION 'nobody is bound' USING ERRCODE = 'insufficient_privilege';
    END IF;
    IF cardinality(of_tenures) = 1 THEN
        owned_by := ARRAY[(SELECT t.owner_id FROM fieldlab.tenure AS t WHERE t.id = of_tenures[1])];
    ELSE
        owned_by := ARRAY(SELECT t.owner_id FROM unnest(of_tenures) WITH ORDINALITY AS s (id, place)
                          LEFT JOIN fieldlab.tenure AS t ON t.id = s.id ORDER BY s.place);
    END IF;
    INSERT INTO fieldlab.access (id, participant_id, credential_id, principal, kind, question, purpose, running,
                                 streams, tenures, owners, starts, untils, agreements, rows)
    VALUES (of, reader.participant_id, reader.id, reader.principal, of_kind, asked, left(stated, 200), counts IS NULL,
            of_streams, of_tenures, owned_by, since, before, under, counts);
    INSERT INTO fieldlab.ledger_waiting (kind, access_id) VALUES ('access', of);
END $$;
COMMENT ON FUNCTION visible.note_access IS
    'Writes the entry of a request, in the name of whom the transaction is bound to, with one place in each array a
segment; owners are found here. Without counts the answer is running and ends with end_accesses.';

CREATE FUNCTION visible.end_accesses(ends jsonb) RETURNS integer
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    ended integer;
BEGIN
    WITH made AS (
        INSERT INTO fieldlab.access_end (access_id, outcome, reason, rows)
        SELECT a.id, e.outcome, left(e.reason, 200), e.rows
        FROM jsonb_to_recordset(ends) AS e (access uuid, outcome text, reason text, rows bigint[])
        JOIN fieldlab.access AS a ON a.id = e.access
        WHERE a.running AND cardinality(a.streams) = cardinality(e.rows)
        ON CONFLICT DO NOTHING RETURNING access_id)
    INSERT INTO fieldlab.ledger_waiting (kind, access_id) SELECT 'end', access_id FROM made;
    GET DIAGNOSTICS ended = ROW_COUNT;
    RETURN ended;
END $$;
COMMENT ON FUNCTION visible.end_accesses IS
    'Writes how running answers ended, each once; it needs no binding, since a credential may be void by then. Gives how
many were running.';

CREATE FUNCTION fieldlab.note_notice(audience integer, by_whom integer, said jsonb) RETURNS void
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
    INSERT INTO fieldlab.ledger_waiting (kind, audience_id, by_id, body)
    VALUES ('notice', audience, by_whom,
            said || jsonb_build_object('id', gen_random_uuid(), 'at', fieldlab.rfc3339(now())))
$$;
COMMENT ON FUNCTION fieldlab.note_notice IS
    'Writes an entry that is no request into the ledger, for one participant to read, or everybody.';
"""

TEXTS = """
CREATE FUNCTION fieldlab.rfc3339(at timestamptz) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT CASE WHEN isfinite(at) THEN to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') END
$$;
COMMENT ON FUNCTION fieldlab.rfc3339 IS 'A moment as answers show it; NULL for an open end.';

CREATE FUNCTION fieldlab.basis_of(agreement uuid, reader integer, owner integer) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT CASE WHEN agreement IS NULL THEN 'own' WHEN reader = owner THEN 'preview' ELSE 'agreement' END
$$;
COMMENT ON FUNCTION fieldlab.basis_of IS 'On what ground a segment was read.';

CREATE FUNCTION fieldlab.parts_of(noted fieldlab.access, counts bigint[])
RETURNS TABLE (owner integer, segments jsonb, total numeric)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT p.owner, jsonb_agg(jsonb_strip_nulls(jsonb_build_object(
               'owner', o.slug, 'basis', fieldlab.basis_of(p.agreement, noted.participant_id, p.owner),
               'agreement', p.agreement, 'from', fieldlab.rfc3339(p.start), 'until', fieldlab.rfc3339(p.until),
               'streams', p.names, 'rows', p.counted)) ORDER BY p.start, p.until, p.agreement, p.names),
           sum(p.counted)
    FROM (
        SELECT s.owner, s.agreement, s.start, s.until, sum(s.counted) AS counted,
               array_agg(a.slug || '.' || m.name ORDER BY a.slug, m.name) AS names
        FROM unnest(noted.streams, noted.owners, noted.starts, noted.untils, noted.agreements, counts)
            AS s (stream, owner, start, until, agreement, counted)
        JOIN fieldlab.stream AS m ON m.id = s.stream
        JOIN fieldlab.asset AS a ON a.id = m.asset_id
        GROUP BY s.owner, s.agreement, s.start, s.until) AS p
    JOIN fieldlab.participant AS o ON o.id = p.owner
    GROUP BY p.owner
$$;
COMMENT ON FUNCTION fieldlab.parts_of IS 'The segments of an entry by owner, alike ones together, and their rows.';

CREATE FUNCTION fieldlab.leaves_of(noted fieldlab.access, counts bigint[], head jsonb)
RETURNS TABLE (audience integer, body jsonb)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    WITH parts AS (SELECT * FROM fieldlab.parts_of(noted, counts))
    SELECT noted.participant_id, head
               || jsonb_strip_nulls(jsonb_build_object('rows', (SELECT sum(total) FROM parts))) || jsonb_build_object(
               'segments', (SELECT coalesce(jsonb_agg(s ORDER BY p.owner, place), '[]')
                            FROM parts AS p, jsonb_array_elements(p.segments) WITH ORDINALITY AS e (s, place)))
    UNION ALL
    SELECT owner, head - 'question' || jsonb_strip_nulls(jsonb_build_object('rows', total))
                       || jsonb_build_object('segments', segments)
    FROM parts WHERE owner <> noted.participant_id
$$;
COMMENT ON FUNCTION fieldlab.leaves_of IS
    'What an entry tells its reader, and each other owner of its own part: the question only to who asked it.';

CREATE FUNCTION fieldlab.access_leaves(of uuid) RETURNS TABLE (audience integer, body jsonb)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT l.audience, l.body FROM fieldlab.access AS a
    JOIN fieldlab.participant AS p ON p.id = a.participant_id
    LEFT JOIN fieldlab.access_end AS e ON e.access_id = a.id
    CROSS JOIN LATERAL fieldlab.leaves_of(a, coalesce(a.rows, e.rows), jsonb_strip_nulls(jsonb_build_object(
        'access', a.id, 'at', fieldlab.rfc3339(a.at), 'kind', a.kind, 'participant', p.slug,
        'principal', a.principal, 'credential', a.credential_id, 'purpose', a.purpose, 'question', a.question,
        'outcome', CASE WHEN NOT a.running THEN 'answered' ELSE coalesce(e.outcome, 'running') END,
        'ended', fieldlab.rfc3339(e.at), 'reason', nullif(e.reason, '')))) AS l
    WHERE a.id = of
$$;
COMMENT ON FUNCTION fieldlab.access_leaves IS 'The leaves of a request, with its end if it has ended.';

CREATE FUNCTION fieldlab.end_leaves(of uuid) RETURNS TABLE (audience integer, body jsonb)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT l.audience, l.body FROM fieldlab.access AS a
    JOIN fieldlab.access_end AS e ON e.access_id = a.id
    JOIN fieldlab.participant AS p ON p.id = a.participant_id
    CROSS JOIN LATERAL fieldlab.leaves_of(a, e.rows, jsonb_strip_nulls(jsonb_build_object(
        'access', a.id, 'at', fieldlab.rfc3339(a.at), 'kind', a.kind, 'participant', p.slug,
        'outcome', e.outcome, 'ended', fieldlab.rfc3339(e.at), 'reason', nullif(e.reason, '')))) AS l
    WHERE a.id = of AND NOT fieldlab.told_of_end(of)
$$;
COMMENT ON FUNCTION fieldlab.end_leaves IS
    'The leaves that say how an answer ended which was sealed while it ran; none if that has been said.';
"""

SEALING = """
CREATE FUNCTION visible.seal_ledger(at_most integer DEFAULT 10000, patience interval DEFAULT '5 seconds') RETURNS bigint
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    one record;
    leaf record;
    grown bigint;
    was bigint;
    digest bytea;
    height smallint;
    place bigint;
BEGIN
    LOCK TABLE fieldlab.ledger_checkpoint IN SHARE ROW EXCLUSIVE MODE;
    SELECT coalesce(max(size), 0) INTO was FROM fieldlab.ledger_checkpoint;
    grown := was;
    FOR one IN
        WITH gone AS (
            DELETE FROM fieldlab.ledger_waiting
            WHERE id IN (
                SELECT w.id FROM fieldlab.ledger_waiting AS w
                WHERE w.kind <> 'access' OR NOT EXISTS (
                    SELECT FROM fieldlab.access AS a
                    WHERE a.id = w.access_id AND a.running AND a.at > clock_timestamp() - patience
                      AND NOT EXISTS (SELECT FROM fieldlab.access_end AS e WHERE e.access_id = a.id))
                ORDER BY w.id LIMIT least(at_most, 10000))
            RETURNING *)
        SELECT * FROM gone ORDER BY id
    LOOP
        FOR leaf IN
            SELECT one.audience_id AS audience, one.by_id AS by_whom, one.body WHERE one.kind = 'notice'
            UNION ALL
            SELECT l.audience, a.participant_id, l.body FROM fieldlab.access AS a, fieldlab.access_leaves(a.id) AS l
            WHERE one.kind = 'access' AND a.id = one.access_id
            UNION ALL
            SELECT l.audience, a.participant_id, l.body FROM fieldlab.access AS a, fieldlab.end_leaves(a.id) AS l
            WHERE one.kind = 'end' AND a.id = one.access_id
        LOOP
            INSERT INTO fieldlab.ledger_leaf (index, audience_id, by_id, entry, access_id, text)
            VALUES (grown, leaf.audience, leaf.by_whom, one.id, one.access_id, leaf.body::text);
            digest := sha256('\\x00'::bytea || convert_to(leaf.body::text, 'UTF8'));
            height := 0;
            place := grown;
            INSERT INTO fieldlab.ledger_node (level, index, hash) VALUES (height, place, digest);
            WHILE place & 1 = 1 LOOP
                SELECT sha256('\\x01'::bytea || n.hash || digest) INTO digest
                FROM fieldlab.ledger_node AS n WHERE n.level = height AND n.index = place - 1;
                height := height + 1;
                place := place >> 1;
                INSERT INTO fieldlab.ledger_node (level, index, hash) VALUES (height, place, digest);
            END LOOP;
            grown := grown + 1;
        END LOOP;
    END LOOP;
    IF grown > was THEN
        INSERT INTO fieldlab.ledger_checkpoint (size, root) VALUES (grown, fieldlab.ledger_root(grown));
    END IF;
    RETURN grown - was;
END $$;
COMMENT ON FUNCTION visible.seal_ledger IS
    'Gives what waits its leaves in the order in which it was found committed, and makes a checkpoint; one at a time.
An answer that runs is waited for as long as patience says, so that most have one leaf that tells their end too. Only
sealers wait for each other, and a crash leaves all of it waiting. Gives the number of new leaves.';

CREATE FUNCTION fieldlab.ledger_root(of bigint) RETURNS bytea
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    peak bytea;
    folded bytea;
BEGIN
    FOR height IN 0..62 LOOP
        IF (of >> height) & 1 = 1 THEN
            SELECT n.hash INTO peak FROM fieldlab.ledger_node AS n
            WHERE n.level = height AND n.index = (of >> height) - 1;
            folded := CASE WHEN folded IS NULL THEN peak ELSE sha256('\\x01'::bytea || peak || folded) END;
        END IF;
    END LOOP;
    RETURN coalesce(folded, sha256(''));
END $$;
COMMENT ON FUNCTION fieldlab.ledger_root IS 'The root of the tree of the first so many leaves (RFC 9162, 2.1.1).';
"""

READING = """
CREATE FUNCTION visible.accesses(before bigint, at_most integer, whose text DEFAULT NULL)
RETURNS TABLE (index bigint, sealed_at timestamptz, by_reader boolean, text text, hash text)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
    reader integer := fieldlab.bound_with('data:read');
BEGIN
    RETURN QUERY
    SELECT l.index, l.at, coalesce(l.by_id = reader, false), l.text, encode(n.hash, 'hex')
    FROM fieldlab.ledger_leaf AS l JOIN fieldlab.ledger_node AS n ON n.level = 0 AND n.index = l.index
    WHERE reader IS NOT NULL AND (l.audience_id = reader OR l.audience_id IS NULL) AND l.index < before
      AND CASE whose WHEN 'mine' THEN l.by_id = reader WHEN 'others' THEN l.by_id IS DISTINCT FROM reader
                     ELSE whose IS NULL END
    ORDER BY l.index DESC LIMIT at_most;
END $$;
COMMENT ON FUNCTION visible.accesses IS
    'The sealed entries that concern the reader, newest first: what it read itself, and who read what it owned.';

CREATE FUNCTION visible.checkpoint() RETURNS TABLE (size bigint, root text, at timestamptz)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF fieldlab.bound_participant() IS NOT NULL THEN
        RETURN QUERY SELECT c.size, encode(c.root, 'hex'), c.at
                     FROM fieldlab.ledger_checkpoint AS c ORDER BY c.size DESC LIMIT 1;
    END IF;
END $$;
COMMENT ON FUNCTION visible.checkpoint IS 'The newest checkpoint of the ledger.';

CREATE FUNCTION visible.ledger_nodes(levels integer[], indexes bigint[])
RETURNS TABLE (level integer, index bigint, hash bytea)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
BEGIN
    IF fieldlab.bound_participant() IS NOT NULL THEN
        RETURN QUERY SELECT n.level::integer, n.index, n.hash
                     FROM unnest(levels, indexes) AS w (level, index)
                     JOIN fieldlab.ledger_node AS n ON n.level = w.level AND n.index = w.index;
    END IF;
END $$;
COMMENT ON FUNCTION visible.ledger_nodes IS 'Hashes of the tree, of which proofs are made; they tell no entry.';
"""

RIGHTS = """
REVOKE ALL ON FUNCTION fieldlab.refuse_young, fieldlab.told_of_end, fieldlab.sealed_only, fieldlab.note_notice,
    fieldlab.rfc3339, fieldlab.basis_of, fieldlab.parts_of, fieldlab.leaves_of, fieldlab.access_leaves,
    fieldlab.end_leaves, fieldlab.ledger_root, visible.note_access, visible.end_accesses, visible.seal_ledger,
    visible.accesses, visible.checkpoint, visible.ledger_nodes FROM PUBLIC;
GRANT EXECUTE ON FUNCTION visible.note_access, visible.end_accesses, visible.seal_ledger, visible.accesses,
    visible.checkpoint, visible.ledger_nodes TO fieldlab_api;
"""

DROP = """
DROP FUNCTION visible.ledger_nodes, visible.checkpoint, visible.accesses, visible.seal_ledger, visible.end_accesses,
    visible.note_access;
DROP FUNCTION fieldlab.ledger_root, fieldlab.end_leaves, fieldlab.access_leaves, fieldlab.leaves_of,
    fieldlab.parts_of, fieldlab.basis_of, fieldlab.note_notice, fieldlab.rfc3339;
DROP TABLE fieldlab.ledger_checkpoint, fieldlab.ledger_node, fieldlab.ledger_leaf, fieldlab.ledger_waiting,
    fieldlab.access_end, fieldlab.access;
DROP FUNCTION fieldlab.refuse_young, fieldlab.sealed_only, fieldlab.told_of_end;
"""


def upgrade() -> None:
    for part in (TABLES, KEPT, TEXTS, NOTING, SEALING, READING, RIGHTS):
        op.execute(part)


def downgrade() -> None:
    op.execute(DROP)

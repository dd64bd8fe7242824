"""What the operator may see in an emergency, shown to whose it is; and what an owner erases, for good.

Broken glass is a right like any other, with an end of its own within the hour and an entry in the ledger for each owner
whom it concerns, made by the database itself. An erasure deletes what lies in the owner's own tenures, in whatever
form it is stored, and leaves a record of what it was, without the values.
"""

from alembic import op

revision = "0021"
down_revision = "0020"

GLASS = """
CREATE TABLE fieldlab.break_glass (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    participant_id integer NOT NULL REFERENCES fieldlab.participant,
    credential_id uuid NOT NULL,
    principal text NOT NULL,
    reason text NOT NULL CHECK (length(trim(reason)) >= 10),
    opened_at timestamptz NOT NULL DEFAULT now(),
    closes_at timestamptz NOT NULL,
    streams integer[] NOT NULL CHECK (cardinality(streams) BETWEEN 1 AND 1000),
    start timestamptz NOT NULL,
    until timestamptz NOT NULL,
    CONSTRAINT break_glass_ends CHECK (closes_at > opened_at AND closes_at <= opened_at + interval '1 hour'),
    CONSTRAINT break_glass_range CHECK (start < until)
);
COMMENT ON TABLE fieldlab.break_glass IS
    'The operator''s access to others'' data in an emergency: why, to what, until when; append-only.';
ALTER TABLE fieldlab.break_glass ALTER COLUMN reason SET STATISTICS 0, ALTER COLUMN principal SET STATISTICS 0;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON fieldlab.break_glass
    FOR EACH STATEMENT EXECUTE FUNCTION fieldlab.refuse_change();

CREATE OR REPLACE VIEW fieldlab.permitted AS
SELECT e.reader_id, e.stream_id, e.start, e.until, e.tenure_id, e.owner_id, e.trial_id, e.basis,
       NULL::uuid AS agreement_id, NULL::bigint AS resolution_floor, NULL::integer AS minimum_samples,
       NULL::text[] AS aggregates
FROM fieldlab.entitlement AS e
UNION ALL
SELECT g.grantee_id, g.stream_id, g.start, g.until, g.tenure_id, g.owner_id, g.trial_id, 'agreement',
       g.agreement_id, g.resolution_floor, g.minimum_samples, g.aggregates
FROM fieldlab.granted AS g
WHERE g.state = 'active' AND now() >= g.valid_from AND now() < g.valid_until
UNION ALL
SELECT g.owner_id, g.stream_id, g.start, g.until, g.tenure_id, g.owner_id, g.trial_id, 'preview',
       g.agreement_id, g.resolution_floor, g.minimum_samples, g.aggregates
FROM fieldlab.granted AS g
UNION ALL
SELECT b.participant_id, t.stream_id, greatest(t.start, b.start), least(t.until, b.until), t.id, t.owner_id,
       t.trial_id, 'break_glass', b.id, NULL, NULL, NULL
FROM fieldlab.break_glass AS b
CROSS JOIN LATERAL unnest(b.streams) AS s (stream_id)
JOIN fieldlab.tenure AS t ON t.stream_id = s.stream_id AND t.start < b.until AND t.until > b.start
WHERE now() < b.closes_at AND t.owner_id <> b.participant_id;

CREATE OR REPLACE FUNCTION fieldlab.basis_of(agreement uuid, reader integer, owner integer) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT CASE WHEN agreement IS NULL THEN 'own' WHEN reader = owner THEN 'preview'
                WHEN EXISTS (SELECT FROM fieldlab.break_glass AS b WHERE b.id = agreement) THEN 'break_glass'
                ELSE 'agreement' END
$$;

CREATE FUNCTION fieldlab.glass_owners(of uuid) RETURNS TABLE (owner integer, names text[])
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT t.owner_id, array_agg(DISTINCT a.slug || '.' || s.name ORDER BY a.slug || '.' || s.name)
    FROM fieldlab.break_glass AS b
    CROSS JOIN LATERAL unnest(b.streams) AS w (stream)
    JOIN fieldlab.tenure AS t ON t.stream_id = w.stream AND t.start < b.until AND t.until > b.start
    JOIN fieldlab.stream AS s ON s.id = w.stream
    JOIN fieldlab.asset AS a ON a.id = s.asset_id
    WHERE b.id = of AND t.owner_id <> b.participant_id
    GROUP BY t.owner_id
$$;
COMMENT ON FUNCTION fieldlab.glass_owners IS 'Whose data a broken glass opens, and which streams of each.';

CREATE FUNCTION visible.break_glass(assets text[], names text[], since timestamptz, before timestamptz, why text,
                                    lasting interval) RETURNS uuid
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    who fieldlab.credential := fieldlab.bound();
    made uuid;
    meant integer[];
BEGIN
    IF who.id IS NULL OR NOT 'lab:admin' = ANY (who.permissions) OR NOT EXISTS (
        SELECT FROM fieldlab.participant AS p WHERE p.id = who.participant_id AND p.role = 'operator') THEN
        RAISE EXCEPTION 'only the operator breaks glass' USING ERRCODE = 'insufficient_privilege';
    END IF;
    SELECT array_agg(DISTINCT s.id) INTO meant
    FROM unnest(assets, names) AS n (asset, name)
    JOIN fieldlab.asset AS a ON a.slug = n.asset
    JOIN fieldlab.stream AS s ON s.asset_id = a.id AND (n.name IS NULL OR s.name = n.name);
    IF meant IS NULL THEN
        RAISE EXCEPTION 'no such stream' USING ERRCODE = 'no_data_found';
    END IF;
    INSERT INTO fieldlab.break_glass (participant_id, credential_id, principal, reason, closes_at, streams, start,
                                      until)
    VALUES (who.participant_id, who.id, who.principal, left(why, 1000), now() + lasting, meant, since, before)
    RETURNING id INTO made;
    PERFORM fieldlab.note_notice(o.owner, who.participant_id, jsonb_build_object(
        'kind', 'break_glass', 'break_glass', made, 'participant', p.slug, 'principal', who.principal,
        'reason', left(why, 1000), 'closes_at', fieldlab.rfc3339(now() + lasting), 'streams', to_jsonb(o.names),
        'from', fieldlab.rfc3339(since), 'until', fieldlab.rfc3339(before)))
    FROM (SELECT * FROM fieldlab.glass_owners(made)
          UNION ALL
          SELECT who.participant_id, array_agg(DISTINCT n) FROM fieldlab.glass_owners(made) AS g, unnest(g.names) AS n
         ) AS o, fieldlab.participant AS p WHERE p.id = who.participant_id;
    RETURN made;
END $$;
COMMENT ON FUNCTION visible.break_glass IS
    'Gives the operator what others own of assets or streams within [since, before), for at most an hour, and tells each
owner in the ledger in the same transaction.';

CREATE FUNCTION visible.broken_glass()
RETURNS TABLE (id uuid, participant text, principal text, reason text, opened_at timestamptz, closes_at timestamptz,
               streams text[], start timestamptz, until timestamptz)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
    reader integer := fieldlab.bound_participant();
BEGIN
    RETURN QUERY
    SELECT b.id, p.slug, b.principal, b.reason, b.opened_at, b.closes_at, array_agg(n ORDER BY n), b.start, b.until
    FROM fieldlab.break_glass AS b
    JOIN fieldlab.participant AS p ON p.id = b.participant_id
    CROSS JOIN LATERAL fieldlab.glass_owners(b.id) AS o
    CROSS JOIN LATERAL unnest(o.names) AS n
    WHERE reader IN (b.participant_id, o.owner)
    GROUP BY b.id, p.slug ORDER BY b.opened_at DESC, b.id LIMIT 1000;
END $$;
COMMENT ON FUNCTION visible.broken_glass IS
    'Every broken glass that opened the reader''s data, or that it broke itself, newest first.';
"""

ERASURE = """
CREATE TABLE fieldlab.erasure (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    at timestamptz NOT NULL DEFAULT now(),
    owner_id integer NOT NULL REFERENCES fieldlab.participant,
    principal text NOT NULL,
    reason text NOT NULL,
    streams integer[] NOT NULL,
    start timestamptz NOT NULL,
    until timestamptz NOT NULL,
    samples bigint NOT NULL,
    rejects bigint NOT NULL,
    exports bigint NOT NULL
);
COMMENT ON TABLE fieldlab.erasure IS 'What owners erased: which stretch, how much, who and why; append-only.';
CREATE INDEX ON fieldlab.erasure (owner_id, at);
ALTER TABLE fieldlab.erasure ALTER COLUMN reason SET STATISTICS 0, ALTER COLUMN principal SET STATISTICS 0;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON fieldlab.erasure
    FOR EACH STATEMENT EXECUTE FUNCTION fieldlab.refuse_change();

CREATE FUNCTION fieldlab.erase_rollups(of_stream integer, since timestamptz, before timestamptz) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    part record;
BEGIN
    IF (SELECT engine FROM fieldlab.platform) IS DISTINCT FROM 'community' THEN
        RETURN;
    END IF;
    FOR part IN EXECUTE
        'SELECT format(''%I.%I'', materialization_hypertable_schema, materialization_hypertable_name) AS name, '
        'CASE WHEN view_name LIKE ''%\\_1h'' THEN interval ''1 hour'' ELSE interval ''1 minute'' END AS width '
        'FROM timescaledb_information.continuous_aggregates WHERE view_schema = ''fieldlab'''
    LOOP
        EXECUTE format('DELETE FROM %s WHERE stream_id = $1 AND bucket < $2 AND bucket + $3 > $4', part.name)
        USING of_stream, before, part.width, since;
    END LOOP;
END $$;
COMMENT ON FUNCTION fieldlab.erase_rollups IS
    'Deletes stored buckets that hold some of a stretch; the next refresh makes those anew that hold more than it.';

CREATE FUNCTION visible.erase(assets text[], names text[], since timestamptz, before timestamptz, why text)
RETURNS uuid
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    who fieldlab.credential := fieldlab.bound();
    mine record;
    found bigint;
    samples bigint := 0;
    rejects bigint := 0;
    exports bigint := 0;
    erased integer[] := '{}';
    made uuid;
BEGIN
    IF who.id IS NULL OR NOT 'data:erase' = ANY (who.permissions) THEN
        RAISE EXCEPTION 'only data:erase erases' USING ERRCODE = 'insufficient_privilege';
    END IF;
    FOR mine IN
        SELECT t.stream_id, greatest(t.start, since) AS start, least(t.until, before) AS until
        FROM unnest(assets, names) AS n (asset, name)
        JOIN fieldlab.asset AS a ON a.slug = n.asset
        JOIN fieldlab.stream AS s ON s.asset_id = a.id AND (n.name IS NULL OR s.name = n.name)
        JOIN fieldlab.tenure AS t ON t.stream_id = s.id AND t.owner_id = who.participant_id
            AND t.start < before AND t.until > since
        GROUP BY 1, 2, 3 ORDER BY 1, 2
    LOOP
        erased := erased || mine.stream_id;
        DELETE FROM fieldlab.measurement AS m
        WHERE m.stream_id = mine.stream_id AND m.time >= mine.start AND m.time < mine.until;
        GET DIAGNOSTICS found = ROW_COUNT;
        samples := samples + found;
        PERFORM fieldlab.erase_rollups(mine.stream_id, mine.start, mine.until);
        DELETE FROM fieldlab.reject AS r
        WHERE r.stream_id = mine.stream_id AND r.time >= mine.start AND r.time < mine.until;
        GET DIAGNOSTICS found = ROW_COUNT;
        rejects := rejects + found;
        DELETE FROM fieldlab.discovery AS d USING fieldlab.binding AS b
        WHERE b.stream_id = mine.stream_id AND d.source_id = b.source_id AND d.address = b.address
          AND d.last_seen >= mine.start AND d.first_seen < mine.until;
        exports := exports + fieldlab.withdraw_exports(mine.stream_id, mine.start, mine.until);
    END LOOP;
    IF erased = '{}' THEN
        RAISE EXCEPTION 'nothing of that is the caller''s' USING ERRCODE = 'no_data_found';
    END IF;
    SELECT array_agg(DISTINCT e ORDER BY e) INTO erased FROM unnest(erased) AS e;
    INSERT INTO fieldlab.erasure (owner_id, principal, reason, streams, start, until, samples, rejects, exports)
    VALUES (who.participant_id, who.principal, left(why, 1000), erased, since, before, samples, rejects, exports)
    RETURNING id INTO made;
    PERFORM fieldlab.note_notice(who.participant_id, who.participant_id, jsonb_build_object(
        'kind', 'erasure', 'erasure', made, 'principal', who.principal, 'reason', left(why, 1000),
        'from', fieldlab.rfc3339(since), 'until', fieldlab.rfc3339(before), 'samples', samples, 'rejects', rejects,
        'exports', exports, 'streams', (
            SELECT jsonb_agg(a.slug || '.' || s.name ORDER BY a.slug, s.name) FROM fieldlab.stream AS s
            JOIN fieldlab.asset AS a ON a.id = s.asset_id WHERE s.id = ANY (erased))));
    RETURN made;
END $$;
COMMENT ON FUNCTION visible.erase IS
    'Deletes what the caller owns of assets or streams within [since, before): samples, rollups, what was held back, and
the exports that hold any of it; leaves a record of it here and in the ledger.';

CREATE FUNCTION visible.erasures()
RETURNS TABLE (id uuid, at timestamptz, principal text, reason text, streams text[], start timestamptz,
               until timestamptz, samples bigint, rejects bigint, exports bigint)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
    reader integer := fieldlab.bound_participant();
BEGIN
    RETURN QUERY
    SELECT e.id, e.at, e.principal, e.reason,
           ARRAY(SELECT a.slug || '.' || s.name FROM fieldlab.stream AS s JOIN fieldlab.asset AS a ON a.id = s.asset_id
                 WHERE s.id = ANY (e.streams) ORDER BY 1),
           e.start, e.until, e.samples, e.rejects, e.exports
    FROM fieldlab.erasure AS e WHERE e.owner_id = reader ORDER BY e.at DESC, e.id LIMIT 1000;
END $$;
COMMENT ON FUNCTION visible.erasures IS 'What the reader has erased, newest first.';
"""

RIGHTS = """
REVOKE ALL ON FUNCTION fieldlab.glass_owners, fieldlab.erase_rollups, visible.break_glass, visible.broken_glass,
    visible.erase, visible.erasures FROM PUBLIC;
GRANT EXECUTE ON FUNCTION visible.break_glass, visible.broken_glass, visible.erase, visible.erasures TO fieldlab_api;
"""

_BASIS = """
CREATE OR REPLACE FUNCTION fieldlab.basis_of(agreement uuid, reader integer, owner integer) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT CASE WHEN agreement IS NULL THEN 'own' WHEN reader = owner THEN 'preview' ELSE 'agreement' END
$$;
"""


def upgrade() -> None:
    for part in (GLASS, ERASURE, RIGHTS):
        op.execute(part)


def downgrade() -> None:
    start = GLASS.index("CREATE OR REPLACE VIEW")
    view = GLASS[start : GLASS.index(";", GLASS.index("WHERE now() < b.closes_at", start))]
    op.execute("DROP FUNCTION visible.erasures, visible.erase, fieldlab.erase_rollups")
    op.execute("DROP TABLE fieldlab.erasure")
    op.execute("DROP FUNCTION visible.broken_glass, visible.break_glass, fieldlab.glass_owners")
    op.execute(view[: view.index("UNION ALL\nSELECT b.participant_id")])
    op.execute(_BASIS)
    op.execute("DROP TABLE fieldlab.break_glass")

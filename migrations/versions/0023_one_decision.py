"""A read in two round trips: one function that authenticates, binds, resolves and decides, and one that packs samples.

Whoever has no agreement is decided on by its tenures alone. Samples leave the database in columns, as the bytes that
PostgreSQL's binary format has for each value, so that nobody unpacks them row by row.
"""

from alembic import op

revision = "0023"
down_revision = "0022"

DECISION = """
CREATE FUNCTION visible.decision(presented bytea, ids uuid[], assets text[], names text[], of_asset text,
                                 since timestamptz, before timestamptz, span bigint, preview uuid DEFAULT NULL)
RETURNS TABLE (decided_at timestamptz, start timestamptz, until timestamptz, asset_is_there boolean, streams text,
               right_streams integer[], right_starts timestamptz[], right_untils timestamptz[], right_tenures bigint[],
               right_owners text[], right_trials text[], right_bases text[], right_agreements uuid[],
               gap_tenures bigint[], gap_starts timestamptz[], gap_untils timestamptz[], gap_causes text[],
               gap_agreements uuid[],
               agreement_ids uuid[], agreement_states text[], agreement_proposers text[],
               agreement_proposals timestamptz[], agreement_deadlines timestamptz[], agreement_replaced uuid[],
               agreement_terms text[], agreement_hashes text[])
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
    who fieldlab.credential;
    reader integer;
    administers boolean;
    candidates integer[];
    seen integer[];
    shared boolean;
BEGIN
    PERFORM FROM visible.bind(presented);
    SELECT * INTO who FROM fieldlab.bound();
    IF who.id IS NULL THEN
        RETURN;
    END IF;
    reader := CASE WHEN 'data:read' = ANY (who.permissions) THEN who.participant_id END;
    administers := 'lab:admin' = ANY (who.permissions);
    decided_at := transaction_timestamp();
    start := CASE WHEN span IS NULL THEN since ELSE decided_at - make_interval(secs => span / 1e6) END;
    until := CASE WHEN span IS NULL THEN before ELSE decided_at END;
    IF of_asset IS NOT NULL THEN
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
    shared := preview IS NOT NULL OR EXISTS (
        SELECT FROM fieldlab.agreement AS a WHERE a.grantee_id = reader AND a.state = 'active')
        OR EXISTS (SELECT FROM fieldlab.break_glass AS b WHERE b.participant_id = reader AND now() < b.closes_at);
    IF shared THEN
        SELECT array_agg(e.stream_id), array_agg(greatest(e.start, decision.start)),
               array_agg(least(e.until, decision.until)), array_agg(e.tenure_id), array_agg(o.slug), array_agg(r.slug),
               array_agg(e.basis), array_agg(e.agreement_id)
        INTO right_streams, right_starts, right_untils, right_tenures, right_owners, right_trials, right_bases,
             right_agreements
        FROM fieldlab.permitted AS e
        JOIN fieldlab.participant AS o ON o.id = e.owner_id
        LEFT JOIN fieldlab.trial AS r ON r.id = e.trial_id
        WHERE e.reader_id = reader AND e.stream_id = ANY (candidates)
          AND e.start < decision.until AND e.until > decision.start
          AND CASE WHEN preview IS NULL THEN e.basis <> 'preview'
                   ELSE e.basis = 'preview' AND e.agreement_id = preview END;
    ELSE
        SELECT array_agg(e.stream_id), array_agg(greatest(e.start, decision.start)),
               array_agg(least(e.until, decision.until)), array_agg(e.tenure_id), array_agg(o.slug), array_agg(r.slug),
               array_agg(e.basis), array_agg(NULL::uuid)
        INTO right_streams, right_starts, right_untils, right_tenures, right_owners, right_trials, right_bases,
             right_agreements
        FROM fieldlab.entitlement AS e
        JOIN fieldlab.participant AS o ON o.id = e.owner_id
        LEFT JOIN fieldlab.trial AS r ON r.id = e.trial_id
        WHERE e.reader_id = reader AND e.stream_id = ANY (candidates)
          AND e.start < decision.until AND e.until > decision.start;
    END IF;
    IF administers OR candidates <@ right_streams THEN
        seen := candidates;
    ELSE
        SELECT coalesce(array_agg(s.id), '{}') INTO seen
        FROM fieldlab.stream AS s JOIN fieldlab.asset AS a ON a.id = s.asset_id
        WHERE s.id = ANY (candidates)
          AND (s.id = ANY (right_streams) OR a.home_owner_id = who.participant_id OR EXISTS (
               SELECT FROM fieldlab.permitted AS e
               WHERE e.reader_id = who.participant_id AND e.stream_id = s.id AND e.basis <> 'preview'));
    END IF;
    asset_is_there := of_asset IS NOT NULL AND (cardinality(seen) > 0 OR EXISTS (
        SELECT FROM fieldlab.asset AS a
        WHERE a.slug = of_asset AND (administers OR a.home_owner_id = who.participant_id)));
    SELECT coalesce(json_agg(json_build_array(s.id, s.uid, a.slug, s.name, s.kind, s.unit, s.quantity, s.semantic_id,
                                              s.description, a.nature)), '[]')::text INTO streams
    FROM fieldlab.stream AS s JOIN fieldlab.asset AS a ON a.id = s.asset_id WHERE s.id = ANY (seen);
    IF EXISTS (SELECT FROM fieldlab.gap AS g WHERE g.stream_id = ANY (seen) AND g.recovered IS NULL) THEN
        SELECT array_agg(g.tenure), array_agg(g.start), array_agg(g.until), array_agg(g.cause), array_agg(g.agreement)
        INTO gap_tenures, gap_starts, gap_untils, gap_causes, gap_agreements
        FROM visible.gaps(seen, decision.start, decision.until) AS g;
    END IF;
    IF shared THEN
        SELECT array_agg(a.id), array_agg(a.state), array_agg(a.proposed_by), array_agg(a.proposed_at),
               array_agg(a.answer_by), array_agg(a.replaces), array_agg(a.terms), array_agg(a.hash)
        INTO agreement_ids, agreement_states, agreement_proposers, agreement_proposals, agreement_deadlines,
             agreement_replaced, agreement_terms, agreement_hashes
        FROM fieldlab.seen_agreements((SELECT array_agg(DISTINCT held) FROM unnest(right_agreements) AS held
                                       WHERE held IS NOT NULL)) AS a
        WHERE a.id = ANY (right_agreements);
    END IF;
    RETURN NEXT;
END $$;
COMMENT ON FUNCTION visible.decision IS
    'Binds this transaction to the participant whose credential is presented, finds the asked streams that it may know
of (by ids, by pairs of asset and name, or all of an asset), and tells its rights to them within [since, before), or the
last span microseconds: what visible.bind, streams, segments, gaps and agreements tell, in no order. No row if the
credential is void.';
"""

SAMPLES = """
CREATE FUNCTION fieldlab.held_until(reader integer, stream integer, since timestamptz, under uuid, sampled boolean)
RETURNS timestamptz
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF under IS NULL THEN
        RETURN (SELECT e.until FROM fieldlab.entitlement AS e
                WHERE e.reader_id = reader AND e.stream_id = stream AND e.start <= since AND e.until > since);
    END IF;
    RETURN (SELECT max(e.until) FROM fieldlab.permitted AS e
            WHERE e.reader_id = reader AND e.stream_id = stream AND e.start <= since AND e.until > since
              AND e.agreement_id = under AND (e.resolution_floor IS NULL OR NOT sampled));
END $$;
COMMENT ON FUNCTION fieldlab.held_until IS
    'Until when a reader has a right to a stream from a moment on, as its own or under an agreement; with sampled, to
its samples. NULL: it has none.';

CREATE FUNCTION visible.unheld(numbers integer[], streams integer[], starts timestamptz[], untils timestamptz[],
                               under uuid[])
RETURNS TABLE (number integer)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    reader integer := fieldlab.bound_with('data:read');
BEGIN
    RETURN QUERY
    SELECT s.number FROM unnest(numbers, streams, starts, untils, under) AS s (number, stream, start, until, under)
    WHERE NOT coalesce(
        fieldlab.held_until(reader, s.stream, s.start, s.under, false) >= least(s.until, now()), false);
END $$;
COMMENT ON FUNCTION visible.unheld IS
    'Those of numbered stretches [start, until) that the reader has no right to up to now, as its own or under the
agreement of the same place.';

CREATE FUNCTION visible.packed_samples(numbers integer[], streams integer[], starts timestamptz[], untils timestamptz[],
                                       under uuid[], good_only boolean, with_text boolean, at_most integer)
RETURNS TABLE (number integer, held boolean, samples integer, times bytea, readings bytea, marks bytea, texts text[])
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    reader integer := fieldlab.bound_with('data:read');
    wanted bigint := at_most;
    permitted_until timestamptz;
BEGIN
    FOR place IN 1 .. coalesce(cardinality(numbers), 0) LOOP
        number := numbers[place];
        permitted_until := fieldlab.held_until(reader, streams[place], starts[place], under[place], true);
        held := coalesce(permitted_until >= least(untils[place], now()), false);
        IF NOT held THEN
            samples := 0;
            times := NULL;
            readings := NULL;
            marks := NULL;
            texts := NULL;
            RETURN NEXT;
            RETURN;
        END IF;
        SELECT count(*), string_agg(timestamptz_send(m.time), ''), string_agg(float8send(coalesce(m.value, 'NaN')), ''),
               string_agg(int4send((m.value IS NULL)::integer << 24 | (m.origin & 255) << 16 | (m.status & 65535)), ''),
               array_agg(m.text) FILTER (WHERE with_text)
        INTO samples, times, readings, marks, texts
        FROM (SELECT n.time, n.value, n.text, n.status, n.origin FROM fieldlab.measurement AS n
              WHERE n.stream_id = streams[place] AND n.time >= starts[place]
                AND n.time < least(untils[place], permitted_until) AND (n.status = 0 OR NOT good_only)
              ORDER BY n.time LIMIT wanted) AS m;
        RETURN NEXT;
        wanted := wanted - samples;
        EXIT WHEN wanted <= 0;
    END LOOP;
END $$;
COMMENT ON FUNCTION visible.packed_samples IS
    'The samples of numbered stretches [start, until), in their order and by time, at most so many; each stretch is the
reader''s own or under the agreement of the same place, and not below a floor. A stretch that is not held up to now is
told so, and nothing comes after it. Each column is the values in PostgreSQL''s binary format behind one another: times,
readings (NaN where there is none), marks: status, origin << 16, 1 << 24 where there is no number.';

CREATE OR REPLACE FUNCTION visible.latest(of_streams integer[], under uuid[] DEFAULT '{}')
RETURNS TABLE (stream integer, tenure bigint, owner text, trial text, basis text, "time" timestamptz,
               value double precision, text text, status smallint, origin smallint, agreement uuid)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    reader integer := fieldlab.bound_with('data:read');
BEGIN
    IF coalesce(cardinality(under), 0) = 0 THEN
        RETURN QUERY
        SELECT l.stream_id, l.tenure_id, o.slug, r.slug, l.basis, l.time, l.value, l.text, l.status, l.origin,
               NULL::uuid
        FROM unnest(of_streams) AS wanted CROSS JOIN LATERAL (
            SELECT e.stream_id, e.tenure_id, e.owner_id, e.trial_id, e.basis, m.time, m.value, m.text, m.status,
                   m.origin
            FROM fieldlab.entitlement AS e CROSS JOIN LATERAL (
                SELECT * FROM fieldlab.measurement AS n
                WHERE n.stream_id = e.stream_id AND n.time >= e.start AND n.time < e.until
                ORDER BY n.time DESC LIMIT 1) AS m
            WHERE e.reader_id = reader AND e.stream_id = wanted
            ORDER BY e.start DESC LIMIT 1) AS l
        JOIN fieldlab.participant AS o ON o.id = l.owner_id
        LEFT JOIN fieldlab.trial AS r ON r.id = l.trial_id;
        RETURN;
    END IF;
    RETURN QUERY
    SELECT l.stream_id, l.tenure_id, o.slug, r.slug, l.basis, l.time, l.value, l.text, l.status, l.origin,
           l.agreement_id
    FROM unnest(of_streams) AS wanted CROSS JOIN LATERAL (
        SELECT e.stream_id, e.tenure_id, e.owner_id, e.trial_id, e.basis, e.agreement_id, m.time, m.value, m.text,
               m.status, m.origin
        FROM fieldlab.permitted AS e CROSS JOIN LATERAL (
            SELECT * FROM fieldlab.measurement AS n
            WHERE n.stream_id = e.stream_id AND n.time >= e.start AND n.time < e.until
            ORDER BY n.time DESC LIMIT 1) AS m
        WHERE e.reader_id = reader AND e.stream_id = wanted AND e.resolution_floor IS NULL
          AND (e.basis = 'own' OR e.agreement_id = ANY (under))
        ORDER BY m.time DESC, array_position(under, e.agreement_id) LIMIT 1) AS l
    JOIN fieldlab.participant AS o ON o.id = l.owner_id
    LEFT JOIN fieldlab.trial AS r ON r.id = l.trial_id;
END $$;
"""

RIGHTS = """
REVOKE ALL ON FUNCTION visible.decision, visible.packed_samples, visible.unheld, fieldlab.held_until FROM PUBLIC;
GRANT EXECUTE ON FUNCTION visible.decision, visible.packed_samples, visible.unheld TO fieldlab_api;
"""


def upgrade() -> None:
    for part in (DECISION, SAMPLES, RIGHTS):
        op.execute(part)


def downgrade() -> None:
    op.execute("DROP FUNCTION visible.decision, visible.packed_samples, visible.unheld, fieldlab.held_until")

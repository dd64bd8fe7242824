"""Keys that are limited to streams: to whoever presents one, every other stream is as if it were not there.

The limit stands in the two views that say what a reader may have, so that everything that reads data keeps to it, and
in the functions that tell of the catalogue, of tenures, agreements, exports, keys and of the ledger.
"""

from importlib import import_module
from typing import Final

from alembic import op

from migrations.edit import edit

revision = "0036"
down_revision = "0035"

LIMIT = """
ALTER TABLE fieldlab.credential ADD streams integer[];
ALTER TABLE fieldlab.credential ADD CONSTRAINT credential_limited CHECK (
    streams IS NULL OR (cardinality(streams) BETWEEN 1 AND 1000 AND array_position(streams, NULL) IS NULL
                        AND permissions <@ ARRAY['data:read', 'data:live']));
ALTER TABLE fieldlab.credential ALTER COLUMN streams SET STATISTICS 0;

CREATE FUNCTION fieldlab.bound_streams() RETURNS integer[]
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN (fieldlab.bound()).streams;
END $$;
COMMENT ON FUNCTION fieldlab.bound_streams IS
    'The streams that the bound credential is limited to; NULL: it is not limited, or nobody is bound.';

CREATE FUNCTION fieldlab.covers(agreement uuid, limits integer[]) RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT limits IS NULL OR EXISTS (
        SELECT FROM fieldlab.agreement_stream AS s WHERE s.agreement_id = agreement AND s.stream_id = ANY (limits))
$$;
COMMENT ON FUNCTION fieldlab.covers IS 'Whether an agreement is about any of some streams; it is without a limit.';

CREATE FUNCTION fieldlab.of_streams(tenures jsonb, limits integer[]) RETURNS jsonb
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT CASE WHEN limits IS NULL THEN tenures ELSE (
        SELECT coalesce(jsonb_agg(t), '[]') FROM jsonb_array_elements(tenures) AS t
        WHERE (t ->> 'stream_id')::integer = ANY (limits)) END
$$;
COMMENT ON FUNCTION fieldlab.of_streams IS 'Those tenures of the history that are about some streams.';

REVOKE ALL ON FUNCTION fieldlab.bound_streams, fieldlab.covers, fieldlab.of_streams FROM PUBLIC;
"""

_OWN: Final = """
CREATE OR REPLACE VIEW fieldlab.entitlement AS
SELECT t.owner_id AS reader_id, t.stream_id, t.start, t.until, t.id AS tenure_id, t.owner_id, t.trial_id, 'own' AS basis
FROM fieldlab.tenure AS t
WHERE {of_key};
"""

_PERMITTED: Final = """
CREATE OR REPLACE VIEW fieldlab.permitted AS
SELECT e.reader_id, e.stream_id, e.start, e.until, e.tenure_id, e.owner_id, e.trial_id, e.basis,
       NULL::uuid AS agreement_id, NULL::bigint AS resolution_floor, NULL::integer AS minimum_samples,
       NULL::text[] AS aggregates
FROM fieldlab.entitlement AS e
UNION ALL
SELECT g.grantee_id, g.stream_id, g.start, g.until, g.tenure_id, g.owner_id, g.trial_id, 'agreement',
       g.agreement_id, g.resolution_floor, g.minimum_samples, g.aggregates
FROM fieldlab.granted AS g
WHERE g.state = 'active' AND now() >= g.valid_from AND now() < g.valid_until AND {of_key}
UNION ALL
SELECT g.owner_id, g.stream_id, g.start, g.until, g.tenure_id, g.owner_id, g.trial_id, 'preview',
       g.agreement_id, g.resolution_floor, g.minimum_samples, g.aggregates
FROM fieldlab.granted AS g
WHERE {of_key}
UNION ALL
SELECT b.participant_id, t.stream_id, greatest(t.start, b.start), least(t.until, b.until), t.id, t.owner_id,
       t.trial_id, 'break_glass', b.id, NULL, NULL, NULL
FROM fieldlab.break_glass AS b
CROSS JOIN LATERAL unnest(b.streams) AS s (stream_id)
JOIN fieldlab.tenure AS t ON t.stream_id = s.stream_id AND t.start < b.until AND t.until > b.start
WHERE now() < b.closes_at AND t.owner_id <> b.participant_id AND {of_key};
"""


def _views(*, limited: bool) -> str:
    """Give the two views; the limit is asked for once a statement, and only where a row is looked at."""
    # CASE, because the planner would take OR for something that few rows pass.
    asked = (
        "CASE WHEN (SELECT fieldlab.bound_streams()) IS NULL THEN true"
        " ELSE {of}.stream_id = ANY ((SELECT fieldlab.bound_streams())::integer[]) END"
    )
    parts = _PERMITTED.split("{of_key}")
    permitted = "".join(
        part + (asked.format(of=of) if limited else "true")
        for part, of in zip(parts[:-1], ("g", "g", "t"), strict=True)
    )
    own = _OWN.format(of_key=asked.format(of="t") if limited else "true")
    return own + permitted + parts[-1]


KEYS = """
DROP VIEW visible.key;
DROP FUNCTION fieldlab.seen_keys;
CREATE FUNCTION fieldlab.seen_keys()
RETURNS TABLE (id uuid, participant text, principal text, permissions text[], created_at timestamptz,
               expires_at timestamptz, revoked_at timestamptz, used_at timestamptz, issued_by uuid, streams text[])
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT c.id, p.slug, c.principal, c.permissions, c.created_at, c.expires_at, c.revoked_at, c.used_at, c.issued_by,
           CASE WHEN c.streams IS NOT NULL THEN ARRAY(
               SELECT a.slug || '.' || s.name FROM fieldlab.stream AS s JOIN fieldlab.asset AS a ON a.id = s.asset_id
               WHERE s.id = ANY (c.streams) ORDER BY 1) END
    FROM fieldlab.credential AS c JOIN fieldlab.participant AS p ON p.id = c.participant_id
    WHERE c.participant_id = (SELECT fieldlab.bound_participant())
      AND ((SELECT fieldlab.bound_streams()) IS NULL
           OR c.streams <@ (SELECT fieldlab.bound_streams())::integer[])
$$;
COMMENT ON FUNCTION fieldlab.seen_keys IS
    'The credentials of the bound participant, without their digests; to a limited one those within its limit.';
CREATE VIEW visible.key WITH (security_barrier) AS SELECT * FROM fieldlab.seen_keys();
COMMENT ON VIEW visible.key IS 'The keys of the reader''s own participant; no token, and nothing made of one.';

DROP FUNCTION visible.issue_key;
CREATE FUNCTION visible.issue_key(presented bytea, made bytea, as_principal text, may text[], until timestamptz,
                                  limited_to integer[] DEFAULT NULL)
RETURNS uuid
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    me fieldlab.credential;
    key uuid;
BEGIN
    SELECT c.* INTO me FROM fieldlab.credential AS c
    WHERE c.id = (SELECT b.id FROM fieldlab.bound() AS b) AND c.digest = sha256(presented) FOR SHARE;
    IF me.id IS NULL THEN
        RAISE EXCEPTION 'only a key makes keys' USING ERRCODE = 'insufficient_privilege';
    END IF;
    IF cardinality(may) = 0 OR NOT may <@ me.permissions THEN
        RAISE EXCEPTION 'a key allows no more than the one that makes it' USING ERRCODE = 'insufficient_privilege';
    END IF;
    IF me.streams IS NOT NULL AND NOT coalesce(limited_to <@ me.streams, false) THEN
        RAISE EXCEPTION 'a key reads no more than the one that makes it' USING ERRCODE = 'insufficient_privilege';
    END IF;
    IF until <= now() OR until > me.expires_at THEN
        RAISE EXCEPTION 'a key ends with the one that makes it' USING ERRCODE = 'insufficient_privilege';
    END IF;
    IF (SELECT count(*) FROM fieldlab.credential AS c WHERE c.participant_id = me.participant_id
        AND NOT c.admitted AND c.revoked_at IS NULL AND c.expires_at > now()) >= 1000 THEN
        RAISE EXCEPTION 'too many keys are valid' USING ERRCODE = 'object_not_in_prerequisite_state';
    END IF;
    INSERT INTO fieldlab.credential (participant_id, principal, digest, permissions, expires_at, issued_by, streams)
    VALUES (me.participant_id, as_principal, sha256(made), may, until, me.id, limited_to) RETURNING id INTO STRICT key;
    RETURN key;
END $$;
COMMENT ON FUNCTION visible.issue_key IS
    'Makes a credential of the bound participant that allows and reads no more than the presented one, and ends so.';

REVOKE ALL ON FUNCTION fieldlab.seen_keys, visible.issue_key FROM PUBLIC;
GRANT SELECT ON visible.key TO fieldlab_api;
GRANT EXECUTE ON FUNCTION fieldlab.seen_keys, visible.issue_key TO fieldlab_api;
"""

_ASKS: Final = "    reader integer := fieldlab.bound_participant();"
_LIMITED: Final = f"{_ASKS}\n    limits integer[] := fieldlab.bound_streams();"
_READS: Final = "    reader integer := fieldlab.bound_with('data:read');"

EDITS: Final = (
    (
        "fieldlab.seen_assets()",
        (_ASKS, _LIMITED),
        (
            "a.home_owner_id = reader OR",
            """(a.home_owner_id = reader AND (limits IS NULL OR EXISTS (
              SELECT FROM fieldlab.stream AS s WHERE s.asset_id = a.id AND s.id = ANY (limits)))) OR""",
        ),
    ),
    (
        "fieldlab.seen_streams(uuid[],text[],text[])",
        (_ASKS, _LIMITED),
        ("      AND (administers OR", "      AND (limits IS NULL OR s.id = ANY (limits))\n      AND (administers OR"),
    ),
    (
        "visible.decision(bytea,uuid[],text[],text[],text,timestamptz,timestamptz,bigint,uuid)",
        (
            "    candidates := coalesce(candidates, '{}');",
            """    candidates := coalesce(candidates, '{}');
    IF who.streams IS NOT NULL THEN
        candidates := ARRAY(SELECT c FROM unnest(candidates) AS c WHERE c = ANY (who.streams));
    END IF;""",
        ),
        ("cardinality(seen) > 0 OR EXISTS", "cardinality(seen) > 0 OR who.streams IS NULL AND EXISTS"),
    ),
    (
        "fieldlab.seen_tenures()",
        (_ASKS, _LIMITED),
        (
            "WHERE administers OR t.owner_id = reader OR a.home_owner_id = lender;",
            """WHERE (administers OR t.owner_id = reader OR a.home_owner_id = lender)
      AND (limits IS NULL OR t.stream_id = ANY (limits));""",
        ),
    ),
    (
        "visible.tenure_events(text,bigint,integer)",
        (_ASKS, _LIMITED),
        ("shown_tenures(e.removed,", "shown_tenures(fieldlab.of_streams(e.removed, limits),"),
        ("shown_tenures(e.added,", "shown_tenures(fieldlab.of_streams(e.added, limits),"),
    ),
    (
        "fieldlab.seen_agreements(uuid[])",
        (_ASKS, _LIMITED),
        ("WHERE reader IN", "WHERE fieldlab.covers(a.id, limits) AND reader IN"),
    ),
    (
        "visible.agreement_events(uuid)",
        (_ASKS, _LIMITED),
        ("WHERE a.id = of AND", "WHERE a.id = of AND fieldlab.covers(a.id, limits) AND"),
    ),
    (
        "visible.receipt(uuid,integer)",
        (_ASKS, _LIMITED),
        ("WHERE g.id = of AND", "WHERE g.id = of AND fieldlab.covers(g.id, limits) AND"),
    ),
    (
        "fieldlab.seen_exports(uuid)",
        (_READS, f"{_READS}\n    me fieldlab.credential := fieldlab.bound();"),
        (
            "WHERE x.participant_id = reader AND",
            "WHERE x.participant_id = reader AND (me.streams IS NULL OR x.credential_id = me.id) AND",
        ),
    ),
    (
        "visible.end_export(uuid)",
        ("WHERE x.id = of AND", "WHERE x.id = of AND EXISTS (SELECT FROM fieldlab.seen_exports(of)) AND"),
    ),
    (
        "visible.accesses(bigint,integer,text)",
        (_READS, f"{_READS}\n    me fieldlab.credential := fieldlab.bound();"),
        (
            "AND l.index < before",
            """AND l.index < before
      AND CASE WHEN me.streams IS NULL THEN true
               ELSE coalesce(l.text::jsonb ->> 'credential' = me.id::text, false) END""",
        ),
    ),
    (
        "visible.broken_glass()",
        (_ASKS, _LIMITED),
        ("WHERE reader IN", "WHERE (limits IS NULL OR b.streams <@ limits) AND reader IN"),
    ),
    (
        "visible.erasures()",
        (_ASKS, _LIMITED),
        ("WHERE e.owner_id = reader", "WHERE e.owner_id = reader AND (limits IS NULL OR e.streams <@ limits)"),
    ),
    (
        "visible.revoke_key(bytea,uuid)",
        (
            "WHERE c.id = of AND c.participant_id = me.participant_id;",
            """WHERE c.id = of AND c.participant_id = me.participant_id
      AND (me.streams IS NULL OR c.streams <@ me.streams);""",
        ),
    ),
    (
        "visible.begin_request(text,bytea)",
        (
            "    IF me IS NULL THEN",
            """    IF fieldlab.bound_streams() IS NOT NULL THEN
        asked := sha256(asked || convert_to((fieldlab.bound()).id::text, 'UTF8'));
    END IF;
    IF me IS NULL THEN""",
        ),
    ),
    (
        "fieldlab.listening(bytea[])",
        ("PARTITION BY c.participant_id)", "PARTITION BY c.participant_id, c.streams)"),
    ),
    (
        "visible.live_rights(bytea[],integer[],integer[],timestamptz)",
        (
            "AS p (place, stream) USING (place)) AS w",
            """AS p (place, stream) USING (place)
          WHERE fieldlab.may_follow(presented[l.place], p.stream)) AS w""",
        ),
    ),
    (
        "visible.live_samples(bytea[],integer[],integer[],bytea,bytea,integer,timestamptz,integer)",
        (
            "AS p (place, stream) USING (place)) AS w",
            """AS p (place, stream) USING (place)
              WHERE fieldlab.may_follow(presented[l.place], p.stream)) AS w""",
        ),
    ),
)
"""Functions that keep to the limit from now on: for each what stood in it, and what stands there instead."""

LIVE = """
CREATE FUNCTION fieldlab.may_follow(presented bytea, stream integer) RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT c.streams IS NULL OR stream = ANY (c.streams)
    FROM fieldlab.credential AS c WHERE c.digest = sha256(presented)
$$;
COMMENT ON FUNCTION fieldlab.may_follow IS 'Whether a stream is within the limit of a presented credential.';
REVOKE ALL ON FUNCTION fieldlab.may_follow FROM PUBLIC;
"""


def upgrade() -> None:
    op.execute(LIMIT)
    op.execute(LIVE)
    op.execute(_views(limited=True))
    op.execute(KEYS)
    for function, *edits in EDITS:
        for old, new in edits:
            edit(function, old, new)


def downgrade() -> None:
    for function, *edits in reversed(EDITS):
        for old, new in reversed(edits):
            edit(function, new, old)
    earlier = import_module("migrations.versions.0027_own_keys")
    op.execute("DROP FUNCTION visible.issue_key; DROP VIEW visible.key; DROP FUNCTION fieldlab.seen_keys")
    op.execute(earlier.KEYS[: earlier.KEYS.index("CREATE FUNCTION visible.revoke_key")])
    op.execute(
        "REVOKE ALL ON FUNCTION fieldlab.seen_keys, visible.issue_key FROM PUBLIC;"
        "GRANT SELECT ON visible.key TO fieldlab_api;"
        "GRANT EXECUTE ON FUNCTION fieldlab.seen_keys, visible.issue_key TO fieldlab_api"
    )
    op.execute(_views(limited=False))
    op.execute("DROP FUNCTION fieldlab.may_follow, fieldlab.of_streams, fieldlab.covers, fieldlab.bound_streams")
    op.execute("UPDATE fieldlab.credential SET revoked_at = now() WHERE streams IS NOT NULL AND revoked_at IS NULL")
    op.execute("ALTER TABLE fieldlab.credential DROP streams")

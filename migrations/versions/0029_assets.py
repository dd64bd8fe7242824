"""Machines over the network: entered, and described anew, by whoever administers the lab; and where each stands.

Whose a machine's data is changes by tenures alone: nothing here touches the home owner of a machine that is there.
"""

from alembic import op

revision = "0029"
down_revision = "0028"

PLACE = """
ALTER TABLE fieldlab.asset ADD place text NOT NULL DEFAULT '';
COMMENT ON COLUMN fieldlab.asset.place IS 'Where it stands, in words.';
DROP VIEW visible.asset;
DROP FUNCTION fieldlab.seen_assets;
"""

SEEN = """
CREATE FUNCTION fieldlab.seen_assets()
RETURNS TABLE (slug text, name text, home_owner text, nature text, description text, place text)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    reader integer := fieldlab.bound_participant();
    administers boolean := fieldlab.bound_with('lab:admin') IS NOT NULL;
BEGIN
    RETURN QUERY
    SELECT a.slug, a.name, h.slug, a.nature, a.description, a.place
    FROM fieldlab.asset AS a JOIN fieldlab.participant AS h ON h.id = a.home_owner_id
    WHERE administers OR a.home_owner_id = reader OR a.id IN (
        SELECT s.asset_id FROM fieldlab.stream AS s JOIN fieldlab.entitlement AS e ON e.stream_id = s.id
        WHERE e.reader_id = reader);
END $$;
CREATE VIEW visible.asset WITH (security_barrier) AS SELECT * FROM fieldlab.seen_assets();
COMMENT ON VIEW visible.asset IS 'The machines that concern the reader; all of them for whoever administers the lab.';
COMMENT ON FUNCTION fieldlab.seen_assets IS 'Stands behind visible.asset, so that no plan shows the rest.';
REVOKE ALL ON FUNCTION fieldlab.seen_assets FROM PUBLIC;
GRANT EXECUTE ON FUNCTION fieldlab.seen_assets TO fieldlab_api;
GRANT SELECT ON visible.asset TO fieldlab_api;
"""

PLUGGED_IN = """
CREATE OR REPLACE FUNCTION visible.plugged_in() RETURNS jsonb
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF fieldlab.bound_with('lab:admin') IS NULL THEN
        RAISE EXCEPTION 'only lab:admin plugs in' USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN jsonb_build_object(
        'sources', (SELECT coalesce(jsonb_agg(jsonb_build_object(
                        'slug', s.slug, 'wire', s.wire, 'url', s.url, 'options', s.options) ORDER BY s.id), '[]')
                    FROM fieldlab.source AS s),
        'assets', (SELECT coalesce(jsonb_agg(jsonb_build_object(
                        'slug', a.slug, 'name', a.name, 'home_owner', p.slug, 'nature', a.nature,
                        'place', a.place, 'description', a.description, 'topics', a.topics) ORDER BY a.id), '[]')
                   FROM fieldlab.asset AS a JOIN fieldlab.participant AS p ON p.id = a.home_owner_id),
        'streams', (SELECT coalesce(jsonb_agg(jsonb_build_object(
                        'asset', a.slug, 'name', s.name, 'kind', s.kind, 'unit', s.unit) ORDER BY s.id), '[]')
                    FROM fieldlab.stream AS s JOIN fieldlab.asset AS a ON a.id = s.asset_id),
        'bindings', (SELECT coalesce(jsonb_agg(jsonb_build_object(
                        'source', q.slug, 'address', b.address, 'asset', a.slug, 'name', s.name)), '[]')
                     FROM fieldlab.binding AS b
                     JOIN fieldlab.source AS q ON q.id = b.source_id
                     JOIN fieldlab.stream AS s ON s.id = b.stream_id
                     JOIN fieldlab.asset AS a ON a.id = s.asset_id));
END $$;
"""

ENTERING = """
CREATE FUNCTION visible.enter_asset(entered jsonb, streams jsonb) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    made integer;
BEGIN
    IF fieldlab.bound_with('lab:admin') IS NULL THEN
        RAISE EXCEPTION 'only lab:admin enters machines' USING ERRCODE = 'insufficient_privilege';
    END IF;
    PERFORM pg_advisory_xact_lock(hashtextextended('fieldlab.declare', 0));
    INSERT INTO fieldlab.asset (slug, name, home_owner_id, nature, place, description, topics)
    SELECT n.slug, n.name, p.id, n.nature, n.place, n.description, n.topics
    FROM jsonb_to_record(entered) AS n (slug text, name text, home_owner text, nature text, place text,
                                        description text, topics text[])
    JOIN fieldlab.participant AS p ON p.slug = n.home_owner
    RETURNING id INTO STRICT made;
    INSERT INTO fieldlab.stream (asset_id, name, kind, unit, quantity, semantic_id, description, low, high, lateness)
    SELECT made, n.name, n.kind, n.unit, n.quantity, n.semantic_id, n.description, n.low, n.high, n.lateness
    FROM jsonb_to_recordset(streams) AS n (name text, kind text, unit text, quantity text, semantic_id text,
                                           description text, low double precision, high double precision,
                                           lateness interval);
END $$;
COMMENT ON FUNCTION visible.enter_asset IS
    'Enters a machine with its streams, which are its home owner''s from the beginning of time; for lab:admin.';

CREATE FUNCTION visible.describe_asset(of text, changes jsonb) RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    before fieldlab.asset;
BEGIN
    IF fieldlab.bound_with('lab:admin') IS NULL THEN
        RAISE EXCEPTION 'only lab:admin describes machines' USING ERRCODE = 'insufficient_privilege';
    END IF;
    PERFORM pg_advisory_xact_lock(hashtextextended('fieldlab.declare', 0));
    SELECT * INTO before FROM fieldlab.asset AS a WHERE a.slug = of;
    IF 'replay' IN (before.nature, changes ->> 'nature') AND before.nature <> changes ->> 'nature' THEN
        RAISE EXCEPTION 'a machine becomes no recording, and a recording no machine'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'tenure_of_a_replay';
    END IF;
    UPDATE fieldlab.asset AS a
    SET name = coalesce(changes ->> 'name', a.name), nature = coalesce(changes ->> 'nature', a.nature),
        place = coalesce(changes ->> 'place', a.place),
        description = coalesce(changes ->> 'description', a.description),
        topics = CASE jsonb_typeof(changes -> 'topics')
                 WHEN 'array' THEN ARRAY(SELECT jsonb_array_elements_text(changes -> 'topics')) ELSE a.topics END
    WHERE a.id = before.id;
    IF before.nature <> changes ->> 'nature' THEN
        PERFORM pg_notify('fieldlab_bindings', '');
    END IF;
    RETURN before.id IS NOT NULL;
END $$;
COMMENT ON FUNCTION visible.describe_asset IS
    'Changes what a machine is called and what is said of it, never whose it is; false where it is not there.';
REVOKE ALL ON FUNCTION visible.enter_asset, visible.describe_asset FROM PUBLIC;
GRANT EXECUTE ON FUNCTION visible.enter_asset, visible.describe_asset TO fieldlab_api;
"""

EARLIER = """
DROP FUNCTION visible.enter_asset, visible.describe_asset;
DROP VIEW visible.asset;
DROP FUNCTION fieldlab.seen_assets;
ALTER TABLE fieldlab.asset DROP place;
"""

SEEN_EARLIER = SEEN.replace(", description text, place text)", ", description text)").replace(", a.place", "")

PLUGGED_IN_EARLIER = PLUGGED_IN.replace("'place', a.place, ", "")


def upgrade() -> None:
    for part in (PLACE, SEEN, PLUGGED_IN, ENTERING):
        op.execute(part)


def downgrade() -> None:
    for part in (EARLIER, SEEN_EARLIER, PLUGGED_IN_EARLIER):
        op.execute(part)

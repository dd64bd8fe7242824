"""What owners permit others: agreements with the text that was signed, their lives, and the steps that change them."""

from alembic import op

revision = "0010"
down_revision = "0009"

TABLES = """
CREATE TABLE fieldlab.agreement (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    owner_id integer NOT NULL REFERENCES fieldlab.participant,
    grantee_id integer NOT NULL REFERENCES fieldlab.participant,
    state text NOT NULL,
    proposed_by text NOT NULL CHECK (proposed_by IN ('owner', 'grantee')),
    proposed_at timestamptz NOT NULL DEFAULT now(),
    answer_by timestamptz NOT NULL,
    replaces uuid REFERENCES fieldlab.agreement,
    terms text NOT NULL,
    hash bytea NOT NULL,
    trial text,
    data_from timestamptz NOT NULL,
    data_until timestamptz NOT NULL,
    valid_from timestamptz NOT NULL,
    valid_until timestamptz NOT NULL,
    embargo interval NOT NULL,
    resolution_floor bigint,
    minimum_samples integer,
    aggregates text[],
    CONSTRAINT agreement_between_two CHECK (owner_id <> grantee_id),
    CONSTRAINT agreement_hash CHECK (hash = sha256(convert_to(terms, 'UTF8'))),
    CONSTRAINT agreement_ranges CHECK (data_from < data_until AND valid_from < valid_until),
    CONSTRAINT agreement_embargo CHECK (embargo >= interval '0'),
    CONSTRAINT agreement_floor CHECK (
        (resolution_floor > 0 AND minimum_samples > 0 AND cardinality(aggregates) > 0)
        IS NOT DISTINCT FROM CASE WHEN resolution_floor IS NOT NULL THEN true END)
);
COMMENT ON TABLE fieldlab.agreement IS
    'An owner''s permission to another participant: the text that is signed, and those of its terms that SQL enforces.';
CREATE INDEX agreement_grantee ON fieldlab.agreement (grantee_id) WHERE state = 'active';
CREATE INDEX agreement_owner ON fieldlab.agreement (owner_id);

CREATE TABLE fieldlab.agreement_stream (
    agreement_id uuid NOT NULL REFERENCES fieldlab.agreement,
    stream_id integer NOT NULL REFERENCES fieldlab.stream,
    PRIMARY KEY (agreement_id, stream_id)
);
COMMENT ON TABLE fieldlab.agreement_stream IS 'The streams of an agreement, as far as its owner has ever owned them.';
CREATE INDEX ON fieldlab.agreement_stream (stream_id, agreement_id);

CREATE TABLE fieldlab.agreement_event (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT now(),
    agreement_id uuid NOT NULL REFERENCES fieldlab.agreement,
    kind text NOT NULL CHECK (kind IN ('request', 'offer', 'approve', 'reject', 'withdraw', 'suspend', 'resume',
                                       'terminate', 'refuse_purpose')),
    participant_id integer NOT NULL REFERENCES fieldlab.participant,
    principal text NOT NULL,
    reason text NOT NULL
);
COMMENT ON TABLE fieldlab.agreement_event IS 'Every step of every agreement: who, when, why; append-only.';
CREATE INDEX ON fieldlab.agreement_event (agreement_id, id);
ALTER TABLE fieldlab.agreement ALTER COLUMN terms SET STATISTICS 0, ALTER COLUMN hash SET STATISTICS 0;
ALTER TABLE fieldlab.agreement_event ALTER COLUMN principal SET STATISTICS 0, ALTER COLUMN reason SET STATISTICS 0;
"""

LIFE = """
CREATE FUNCTION fieldlab.agreement_steps() RETURNS TABLE (state text, action text, party text, becomes text)
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
    VALUES ('requested', 'approve', 'owner', 'active'), ('requested', 'reject', 'owner', 'rejected'),
           ('requested', 'withdraw', 'grantee', 'withdrawn'), ('offered', 'approve', 'grantee', 'active'),
           ('offered', 'reject', 'grantee', 'rejected'), ('offered', 'withdraw', 'owner', 'withdrawn'),
           ('active', 'suspend', 'owner', 'suspended'), ('active', 'terminate', 'owner', 'terminated'),
           ('active', 'terminate', 'grantee', 'terminated'), ('suspended', 'resume', 'owner', 'active'),
           ('suspended', 'terminate', 'owner', 'terminated'), ('suspended', 'terminate', 'grantee', 'terminated')
$$;
COMMENT ON FUNCTION fieldlab.agreement_steps IS 'Every step in the life of an agreement, and which party takes it.';

CREATE FUNCTION fieldlab.agreement_state(state text, answer_by timestamptz, valid_until timestamptz) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT CASE WHEN state IN ('requested', 'offered') AND answer_by <= now() THEN 'expired'
                WHEN state IN ('active', 'suspended') AND valid_until <= now() THEN 'expired' ELSE state END
$$;
COMMENT ON FUNCTION fieldlab.agreement_state IS 'The state at this moment: what waits or holds expires by the clock.';

CREATE FUNCTION fieldlab.keep_agreement() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF to_jsonb(NEW) - 'state' IS DISTINCT FROM to_jsonb(OLD) - 'state' OR NOT EXISTS (
        SELECT FROM fieldlab.agreement_steps() AS s WHERE s.state = OLD.state AND s.becomes = NEW.state) THEN
        RAISE EXCEPTION 'an agreement cannot be changed; another replaces it' USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN NEW;
END $$;
COMMENT ON FUNCTION fieldlab.keep_agreement IS 'Lets an agreement''s state step on, and nothing else of it change.';

CREATE FUNCTION fieldlab.keep_streams() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF (SELECT state FROM fieldlab.agreement WHERE id = NEW.agreement_id) NOT IN ('requested', 'offered') THEN
        RAISE EXCEPTION 'an agreement cannot be changed; another replaces it' USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN NEW;
END $$;
COMMENT ON FUNCTION fieldlab.keep_streams IS 'Lets streams be found for an agreement only while it waits.';

CREATE TRIGGER immutable BEFORE UPDATE ON fieldlab.agreement
    FOR EACH ROW EXECUTE FUNCTION fieldlab.keep_agreement();
CREATE TRIGGER kept BEFORE DELETE OR TRUNCATE ON fieldlab.agreement
    FOR EACH STATEMENT EXECUTE FUNCTION fieldlab.refuse_change();
CREATE TRIGGER immutable BEFORE INSERT ON fieldlab.agreement_stream
    FOR EACH ROW EXECUTE FUNCTION fieldlab.keep_streams();
CREATE TRIGGER kept BEFORE UPDATE OR DELETE OR TRUNCATE ON fieldlab.agreement_stream
    FOR EACH STATEMENT EXECUTE FUNCTION fieldlab.refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON fieldlab.agreement_event
    FOR EACH STATEMENT EXECUTE FUNCTION fieldlab.refuse_change();
"""

STEPS = """
CREATE FUNCTION fieldlab.note_step(of uuid, step text, why text) RETURNS void
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
    INSERT INTO fieldlab.agreement_event (agreement_id, kind, participant_id, principal, reason)
    SELECT of, step, b.participant_id, b.principal, left(why, 1000) FROM fieldlab.bound() AS b
$$;
COMMENT ON FUNCTION fieldlab.note_step IS 'Appends an event in the name of whom the transaction is bound to.';

CREATE FUNCTION fieldlab.find_streams(of uuid) RETURNS boolean
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    found fieldlab.agreement := (SELECT a FROM fieldlab.agreement AS a WHERE id = of);
    named jsonb := found.terms::jsonb -> 'enforced' -> 'streams';
BEGIN
    INSERT INTO fieldlab.agreement_stream (agreement_id, stream_id)
    SELECT of, s.id FROM jsonb_array_elements_text(named) AS reference
    JOIN fieldlab.asset AS a ON a.slug = split_part(reference, '.', 1)
    JOIN fieldlab.stream AS s ON s.asset_id = a.id AND s.name = split_part(reference, '.', 2)
    WHERE EXISTS (SELECT FROM fieldlab.tenure AS t WHERE t.stream_id = s.id AND t.owner_id = found.owner_id)
    ON CONFLICT DO NOTHING;
    RETURN (SELECT count(*) FROM fieldlab.agreement_stream WHERE agreement_id = of) = jsonb_array_length(named)
       AND (found.trial IS NULL OR EXISTS (
            SELECT FROM fieldlab.trial AS r WHERE r.slug = found.trial AND r.participant_id = found.owner_id));
END $$;
COMMENT ON FUNCTION fieldlab.find_streams IS
    'Finds the streams that an agreement names; tells whether its owner has owned each, and the trial is its own.';

CREATE FUNCTION visible.propose_agreement(proposed text, replaced uuid, answer_within interval) RETURNS uuid
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' AS $$
DECLARE
    me integer := fieldlab.bound_with('agreements:write');
    written jsonb := proposed::jsonb;
    kept jsonb := written -> 'enforced';
    owner integer := (SELECT p.id FROM fieldlab.participant AS p WHERE p.slug = written ->> 'owner');
    grantee integer := (SELECT p.id FROM fieldlab.participant AS p WHERE p.slug = written ->> 'grantee');
    side text := CASE me WHEN owner THEN 'owner' WHEN grantee THEN 'grantee' END;
    made uuid;
BEGIN
    IF me IS NULL OR side IS NULL THEN
        RAISE EXCEPTION 'only the owner or the grantee proposes' USING ERRCODE = 'insufficient_privilege';
    END IF;
    IF owner IS NULL OR grantee IS NULL THEN
        RAISE EXCEPTION 'no such participant' USING ERRCODE = 'foreign_key_violation';
    END IF;
    IF ARRAY(SELECT json_object_keys(proposed::json) COLLATE "C" ORDER BY 1)
           IS DISTINCT FROM '{declared,enforced,grantee,owner}'
       OR ARRAY(SELECT json_object_keys(proposed::json -> 'enforced') COLLATE "C" ORDER BY 1) IS DISTINCT FROM
           '{aggregates,data,embargo,formats,live,minimum_samples,resolution_floor,streams,trial,validity}'
       OR ARRAY(SELECT json_object_keys(proposed::json -> 'declared') COLLATE "C" ORDER BY 1) IS DISTINCT FROM
           '{attribution,delete_by,licence,onward_sharing,purposes}' THEN
        RAISE EXCEPTION 'an unknown term' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF replaced IS NOT NULL AND NOT EXISTS (
        SELECT FROM fieldlab.agreement AS a
        WHERE a.id = replaced AND a.owner_id = owner AND a.grantee_id = grantee) THEN
        RAISE EXCEPTION 'no such agreement to replace' USING ERRCODE = 'no_data_found';
    END IF;
    INSERT INTO fieldlab.agreement (
        owner_id, grantee_id, state, proposed_by, answer_by, replaces, terms, hash, trial, data_from, data_until,
        valid_from, valid_until, embargo, resolution_floor, minimum_samples, aggregates)
    VALUES (
        owner, grantee, CASE side WHEN 'owner' THEN 'offered' ELSE 'requested' END, side, now() + answer_within,
        replaced, proposed, sha256(convert_to(proposed, 'UTF8')), kept ->> 'trial',
        (kept #>> '{data,from}')::timestamptz, (kept #>> '{data,until}')::timestamptz,
        (kept #>> '{validity,from}')::timestamptz, (kept #>> '{validity,until}')::timestamptz,
        coalesce((kept ->> 'embargo')::interval, interval '0'),
        (extract(epoch FROM (kept ->> 'resolution_floor')::interval) * 1000000)::bigint,
        (kept ->> 'minimum_samples')::integer,
        CASE WHEN kept -> 'aggregates' <> 'null' THEN ARRAY(SELECT jsonb_array_elements_text(kept -> 'aggregates')) END)
    RETURNING id INTO made;
    IF NOT fieldlab.find_streams(made) AND side = 'owner' THEN
        RAISE EXCEPTION 'a stream or trial that is not the owner''s' USING ERRCODE = 'foreign_key_violation';
    END IF;
    PERFORM fieldlab.note_step(made, CASE side WHEN 'owner' THEN 'offer' ELSE 'request' END, '');
    RETURN made;
END $$;
COMMENT ON FUNCTION visible.propose_agreement IS
    'Enters an offer of the owner or a request of the grantee; a request is never told whether its streams exist.';

CREATE FUNCTION visible.step_agreement(of uuid, step text, why text) RETURNS text
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    me integer := fieldlab.bound_with('agreements:write');
    found fieldlab.agreement;
    reached text;
    earlier fieldlab.agreement;
BEGIN
    SELECT * INTO found FROM fieldlab.agreement AS a WHERE a.id = of AND me IN (a.owner_id, a.grantee_id) FOR UPDATE;
    IF found.id IS NULL THEN
        RAISE EXCEPTION 'no such agreement' USING ERRCODE = 'no_data_found';
    END IF;
    SELECT s.becomes INTO reached FROM fieldlab.agreement_steps() AS s
    WHERE s.state = fieldlab.agreement_state(found.state, found.answer_by, found.valid_until) AND s.action = step
      AND s.party = CASE me WHEN found.owner_id THEN 'owner' ELSE 'grantee' END;
    IF reached IS NULL THEN
        RAISE EXCEPTION 'that step is not possible' USING ERRCODE = 'object_not_in_prerequisite_state';
    END IF;
    IF step = 'approve' THEN
        IF NOT fieldlab.find_streams(of) THEN
            RAISE EXCEPTION 'a stream or trial that is not the owner''s' USING ERRCODE = 'foreign_key_violation';
        END IF;
        IF found.replaces IS NOT NULL THEN
            SELECT * INTO earlier FROM fieldlab.agreement AS a WHERE a.id = found.replaces FOR UPDATE;
            IF fieldlab.agreement_state(earlier.state, earlier.answer_by, earlier.valid_until)
               NOT IN ('active', 'suspended') THEN
                RAISE EXCEPTION 'the agreement to replace has ended' USING ERRCODE = 'object_not_in_prerequisite_state';
            END IF;
            UPDATE fieldlab.agreement SET state = 'terminated' WHERE id = earlier.id;
            PERFORM fieldlab.note_step(earlier.id, 'terminate', 'replaced by ' || of);
        END IF;
    END IF;
    UPDATE fieldlab.agreement SET state = reached WHERE id = of;
    PERFORM fieldlab.note_step(of, step, why);
    RETURN reached;
END $$;
COMMENT ON FUNCTION visible.step_agreement IS
    'Takes a step in the life of an agreement in the name of one of its parties; approval ends what it replaces.';

CREATE FUNCTION visible.note_refused_purpose(of uuid, purpose text) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM fieldlab.note_step(a.id, 'refuse_purpose', left(purpose, 200)) FROM fieldlab.agreement AS a
    WHERE a.id = of AND a.grantee_id = fieldlab.bound_with('data:read');
END $$;
COMMENT ON FUNCTION visible.note_refused_purpose IS
    'Records that the grantee asked for a purpose outside the agreement.';
"""

VIEWS = """
CREATE FUNCTION fieldlab.seen_agreements(wanted uuid[])
RETURNS TABLE (id uuid, owner text, grantee text, state text, proposed_by text, proposed_at timestamptz,
               answer_by timestamptz, replaces uuid, terms text, hash text)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    reader integer := fieldlab.bound_participant();
BEGIN
    RETURN QUERY
    SELECT a.id, o.slug, g.slug, fieldlab.agreement_state(a.state, a.answer_by, a.valid_until), a.proposed_by,
           a.proposed_at, a.answer_by, a.replaces, a.terms, encode(a.hash, 'hex')
    FROM fieldlab.agreement AS a
    JOIN fieldlab.participant AS o ON o.id = a.owner_id
    JOIN fieldlab.participant AS g ON g.id = a.grantee_id
    WHERE reader IN (a.owner_id, a.grantee_id) AND (wanted IS NULL OR a.id = ANY (wanted));
END $$;
COMMENT ON FUNCTION fieldlab.seen_agreements IS
    'Stands behind visible.agreement and visible.agreements, so that no plan shows the rest; wanted NULL means all.';
CREATE VIEW visible.agreement WITH (security_barrier) AS SELECT * FROM fieldlab.seen_agreements(NULL);
COMMENT ON VIEW visible.agreement IS 'The agreements to which the reader is a party, on either side.';

CREATE FUNCTION visible.agreements(ids uuid[]) RETURNS SETOF visible.agreement
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT * FROM fieldlab.seen_agreements(coalesce(ids, '{}'))
$$;
COMMENT ON FUNCTION visible.agreements IS 'Those of the reader''s agreements with these ids.';

CREATE FUNCTION visible.agreement_events(of uuid)
RETURNS TABLE (id bigint, at timestamptz, kind text, participant text, principal text, reason text)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    reader integer := fieldlab.bound_participant();
BEGIN
    RETURN QUERY
    SELECT e.id, e.at, e.kind, p.slug, e.principal, e.reason
    FROM fieldlab.agreement AS a
    JOIN fieldlab.agreement_event AS e ON e.agreement_id = a.id
    JOIN fieldlab.participant AS p ON p.id = e.participant_id
    WHERE a.id = of AND reader IN (a.owner_id, a.grantee_id)
    UNION ALL
    SELECT NULL, CASE WHEN a.state IN ('requested', 'offered') THEN a.answer_by ELSE a.valid_until END, 'expire', NULL,
           'the clock', ''
    FROM fieldlab.agreement AS a
    WHERE a.id = of AND reader IN (a.owner_id, a.grantee_id)
      AND a.state <> fieldlab.agreement_state(a.state, a.answer_by, a.valid_until)
    ORDER BY 2, 1;
END $$;
COMMENT ON FUNCTION visible.agreement_events IS
    'The life of one of the reader''s agreements, oldest first; the clock''s expiry is found, not stored.';
"""

RIGHTS = """
REVOKE ALL ON FUNCTION fieldlab.agreement_steps, fieldlab.agreement_state, fieldlab.keep_agreement,
    fieldlab.keep_streams, fieldlab.note_step, fieldlab.find_streams, fieldlab.seen_agreements,
    visible.propose_agreement, visible.step_agreement, visible.note_refused_purpose, visible.agreements,
    visible.agreement_events FROM PUBLIC;
GRANT SELECT ON visible.agreement TO fieldlab_api;
GRANT EXECUTE ON FUNCTION fieldlab.seen_agreements, visible.propose_agreement, visible.step_agreement,
    visible.note_refused_purpose, visible.agreements, visible.agreement_events TO fieldlab_api;
"""

DROP = """
DROP FUNCTION visible.agreement_events, visible.agreements, visible.note_refused_purpose, visible.step_agreement,
    visible.propose_agreement;
DROP VIEW visible.agreement;
DROP FUNCTION fieldlab.seen_agreements, fieldlab.find_streams, fieldlab.note_step;
DROP TABLE fieldlab.agreement_event, fieldlab.agreement_stream, fieldlab.agreement;
DROP FUNCTION fieldlab.keep_streams, fieldlab.keep_agreement, fieldlab.agreement_state, fieldlab.agreement_steps;
"""


def upgrade() -> None:
    for part in (TABLES, LIFE, STEPS, VIEWS, RIGHTS):
        op.execute(part)


def downgrade() -> None:
    op.execute(DROP)

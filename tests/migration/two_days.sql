-- Two days of a machine that is handed over in between; a tenant with a key whose token is 'token of tenant'.
INSERT INTO fieldlab.participant (slug, name, role) VALUES ('lab', 'Lab', 'operator'), ('tenant', 'Tenant', 'sme');
INSERT INTO fieldlab.asset (slug, name, home_owner_id, nature) VALUES ('mill', 'Mill', 1, 'real');
INSERT INTO fieldlab.stream (asset_id, name, kind, unit) VALUES (1, 'current', 'number', 'A'), (1, 'state', 'text', '1');
INSERT INTO fieldlab.source (slug, wire, url) VALUES ('broker', 'mqtt', 'mqtt://localhost');
UPDATE fieldlab.tenure SET until = '2026-11-17 06:00Z';
INSERT INTO fieldlab.tenure (stream_id, owner_id, start, until, booked)
SELECT id, 2, timestamptz '2026-11-17 06:00Z', timestamptz '2026-11-17 18:00Z', true FROM fieldlab.stream
UNION ALL
SELECT id, 1, '2026-11-17 18:00Z', 'infinity', false FROM fieldlab.stream;
INSERT INTO fieldlab.measurement (stream_id, time, value, text, status, origin)
SELECT 1 + n % 2, timestamptz '2026-11-16 12:00Z' + n * interval '31.415926 seconds',
       CASE WHEN n % 2 = 0 AND n % 11 > 0 THEN (n * 7919 % 1000) / 8.0 END, CASE WHEN n % 2 = 1 THEN 'state ' || n % 5 END,
       CASE n % 13 WHEN 0 THEN -32768 WHEN 1 THEN 16384 ELSE 0 END, n % 5
FROM generate_series(0, 5499) AS n;
INSERT INTO fieldlab.reject (source_id, received_at, reason, detail, raw)
VALUES (1, '2026-11-17Z', 'malformed', 'no JSON', '\x00ff');
INSERT INTO fieldlab.gap (stream_id, start, until, cause)
SELECT id, '2026-11-17 05:00Z', '2026-11-17 07:00Z', 'session_lost' FROM fieldlab.stream;
INSERT INTO fieldlab.credential (participant_id, principal, digest, permissions, expires_at)
VALUES (2, 'somebody', sha256(sha256('token of tenant')), '{data:read}', 'infinity');

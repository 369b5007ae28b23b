-- Incident. Made by `make schema`; change the code, not this file.

SELECT CAST(t.id AS TEXT) AS c0, CAST(t.scope_id AS TEXT) AS c1, CAST(t.zone_id AS TEXT) AS c2, t.category AS c3, t.severity AS c4, t.status AS c5, t.title AS c6, t.description AS c7, t.latitude AS c8, t.longitude AS c9, t.accuracy_m AS c10, t.occurred_at AS c11, t.captured_at_raw AS c12, t.received_at AS c13, t.time_suspect AS c14, CAST(t.reported_by AS TEXT) AS c15, t.rev AS c16, t.created_at AS c17, t.updated_at AS c18, CAST(j0.id AS TEXT) AS c19, j0.name AS c20, j0.name_th AS c21, CAST(j1.id AS TEXT) AS c22, j1.rank AS c23, j1.name AS c24, j1.name_th AS c25
FROM incident AS t LEFT OUTER JOIN zone AS j0 ON t.zone_id = j0.id LEFT OUTER JOIN officer AS j1 ON t.reported_by = j1.id
WHERE t.id = $1::UUID AND t.deleted_at IS NULL AND t.scope_id = ANY ($2::UUID[])
 LIMIT $3::INTEGER;

-- IncidentPage. Made by `make schema`; change the code, not this file.

SELECT branch.c0, branch.c1, branch.c2, branch.c3, branch.c4, branch.c5, branch.c6, branch.c7, branch.c8, branch.c9, branch.c10, branch.c11, branch._value, branch._key
FROM unnest($1::UUID[]) AS scopes(id) JOIN (SELECT DISTINCT unnest(CAST($2 AS TEXT[])) AS value) AS among0 ON true JOIN (SELECT DISTINCT unnest(CAST($3::TEXT[] AS TEXT[])) AS value) AS among1 ON true JOIN LATERAL (SELECT CAST(t.id AS TEXT) AS c0, t.category AS c1, t.severity AS c2, t.status AS c3, t.title AS c4, t.latitude AS c5, t.longitude AS c6, t.occurred_at AS c7, t.updated_at AS c8, CAST(j0.id AS TEXT) AS c9, j0.name AS c10, j0.name_th AS c11, t.occurred_at AS _value, t.id AS _key
FROM incident AS t LEFT OUTER JOIN zone AS j0 ON t.zone_id = j0.id
WHERE t.scope_id = scopes.id AND t.deleted_at IS NULL AND t.occurred_at >= $4::TIMESTAMP WITH TIME ZONE AND t.status = among0.value AND t.severity = among1.value ORDER BY t.occurred_at DESC, t.id DESC
 LIMIT $5::INTEGER) AS branch ON true ORDER BY branch._value DESC, branch._key DESC
 LIMIT $5::INTEGER;

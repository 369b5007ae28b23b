-- UnsaidEndings. Made by `make schema`; change the code, not this file.

SELECT branch.c0, branch.c1, branch.c2, branch.c3, branch.c4, branch.c5, branch.c6, branch.c7, branch.c8
FROM unnest($1::UUID[]) AS scopes(id) JOIN LATERAL (SELECT CAST(t.id AS TEXT) AS c0, t.source AS c1, t.drill AS c2, t.raised_at AS c3, t.closed_at AS c4, CAST(j0.id AS TEXT) AS c5, j0.rank AS c6, j0.name AS c7, j0.name_th AS c8, t.raised_at AS _value, t.id AS _key
FROM sos_alert AS t LEFT OUTER JOIN officer AS j0 ON t.acknowledged_by = j0.id
WHERE t.scope_id = scopes.id AND t.deleted_at IS NULL AND t.status = ANY (CAST($2 AS TEXT[])) AND t.resolution_missing = $3::BOOLEAN ORDER BY t.raised_at DESC, t.id DESC
 LIMIT $4::INTEGER) AS branch ON true ORDER BY branch._value DESC, branch._key DESC
 LIMIT $4::INTEGER;

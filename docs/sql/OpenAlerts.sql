-- OpenAlerts. Made by `make schema`; change the code, not this file.

SELECT branch.c0, branch.c1, branch.c2, branch.c3, branch.c4, branch.c5, branch.c6, branch.c7, branch.c8, branch.c9, branch.c10, branch.c11, branch.c12, branch.c13, branch.c14, branch.c15, branch.c16, branch.c17, branch.c18, branch.c19, branch.c20, branch.c21, branch.c22, branch.c23
FROM unnest($1::UUID[]) AS scopes(id) JOIN LATERAL (SELECT CAST(t.id AS TEXT) AS c0, t.source AS c1, t.status AS c2, t.drill AS c3, t.latitude AS c4, t.longitude AS c5, t.raised_at AS c6, t.presses AS c7, t.acknowledged_at AS c8, CAST(j0.id AS TEXT) AS c9, j0.name AS c10, j0.name_th AS c11, CAST(j1.id AS TEXT) AS c12, j1.rank AS c13, j1.name AS c14, j1.name_th AS c15, CAST(j2.id AS TEXT) AS c16, j2.rank AS c17, j2.name AS c18, j2.name_th AS c19, CAST(j3.id AS TEXT) AS c20, j3.code AS c21, j3.name AS c22, j3.name_th AS c23, t.raised_at AS _value, t.id AS _key
FROM sos_alert AS t LEFT OUTER JOIN zone AS j0 ON t.zone_id = j0.id LEFT OUTER JOIN officer AS j1 ON t.officer_id = j1.id LEFT OUTER JOIN officer AS j2 ON t.acknowledged_by = j2.id LEFT OUTER JOIN sos_post AS j3 ON t.post_id = j3.id
WHERE t.scope_id = scopes.id AND t.deleted_at IS NULL AND t.status = ANY (CAST($2 AS TEXT[])) ORDER BY t.raised_at DESC, t.id DESC
 LIMIT $3::INTEGER) AS branch ON true ORDER BY branch._value DESC, branch._key DESC
 LIMIT $3::INTEGER;

-- UnsaidEndings. Made by `make schema`; change the code, not this file.

SELECT CAST(t.id AS TEXT) AS c0, t.source AS c1, t.drill AS c2, t.raised_at AS c3, t.closed_at AS c4, CAST(j0.id AS TEXT) AS c5, j0.rank AS c6, j0.name AS c7, j0.name_th AS c8
FROM sos_alert AS t LEFT OUTER JOIN officer AS j0 ON t.acknowledged_by = j0.id
WHERE t.deleted_at IS NULL AND t.status = ANY (CAST($1 AS TEXT[])) AND t.resolution_missing = $2::BOOLEAN ORDER BY t.raised_at DESC, t.id DESC
 LIMIT $3::INTEGER;

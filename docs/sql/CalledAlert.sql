-- CalledAlert. Made by `make schema`; change the code, not this file.

SELECT CAST(t.id AS TEXT) AS c0, t.source AS c1, t.status AS c2, t.severity AS c3, t.drill AS c4, t.latitude AS c5, t.longitude AS c6, t.accuracy_m AS c7, t.raised_at AS c8, t.time_suspect AS c9, t.presses AS c10, t.acknowledged_at AS c11, t.closed_at AS c12, CAST(j0.id AS TEXT) AS c13, j0.name AS c14, j0.name_th AS c15, CAST(j1.id AS TEXT) AS c16, j1.rank AS c17, j1.name AS c18, j1.name_th AS c19, CAST(j2.id AS TEXT) AS c20, j2.code AS c21, j2.name AS c22, j2.name_th AS c23
FROM sos_alert AS t LEFT OUTER JOIN zone AS j0 ON t.zone_id = j0.id LEFT OUTER JOIN officer AS j1 ON t.officer_id = j1.id LEFT OUTER JOIN sos_post AS j2 ON t.post_id = j2.id
WHERE t.id = $1::UUID AND t.deleted_at IS NULL
 LIMIT $2::INTEGER;

-- ZonesWithCameras. Made by `make schema`; change the code, not this file.

SELECT branch.c0, branch.c1, branch.c2, branch.c3, branch.c4, branch.c5
FROM unnest($1::UUID[]) AS scopes(id) JOIN LATERAL (SELECT CAST(t.id AS TEXT) AS c0, t.code AS c1, t.kind AS c2, t.name AS c3, t.name_th AS c4, t.boundary AS c5, t.name AS _value, t.id AS _key
FROM zone AS t
WHERE t.scope_id = scopes.id AND t.deleted_at IS NULL ORDER BY t.name ASC, t.id ASC
 LIMIT $2::INTEGER) AS branch ON true ORDER BY branch._value ASC, branch._key ASC
 LIMIT $2::INTEGER;

SELECT branch.c0, branch.c1, branch.c2, branch.c3, branch.c4, branch.c5, branch.c6, branch.c7, branch.c8, branch.c9, parents.place AS _place
FROM unnest($1::UUID[]) WITH ORDINALITY AS parents(id, place) JOIN LATERAL (SELECT CAST(t.id AS TEXT) AS c0, t.code AS c1, t.name AS c2, t.name_th AS c3, t.latitude AS c4, t.longitude AS c5, CAST(j1.id AS TEXT) AS c6, j1.taken_at AS c7, j1.thumb_320_key AS c8, j1.thumb_960_key AS c9, t.name AS _value, t.id AS _key
FROM camera AS t LEFT OUTER JOIN camera_state AS j0 ON t.id = j0.camera_id LEFT OUTER JOIN snapshot AS j1 ON j0.last_snapshot_id = j1.id
WHERE t.zone_id = parents.id AND t.deleted_at IS NULL ORDER BY t.name ASC, t.id ASC
 LIMIT $2::INTEGER) AS branch ON true ORDER BY parents.place, branch._value ASC, branch._key ASC;

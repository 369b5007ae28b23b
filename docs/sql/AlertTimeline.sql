-- AlertTimeline. Made by `make schema`; change the code, not this file.

SELECT CAST(t.id AS TEXT) AS c0, t.status AS c1, t.severity AS c2, t.drill AS c3, t.raised_at AS c4, t.received_at AS c5, t.closed_at AS c6, t.resolution AS c7
FROM sos_alert AS t
WHERE t.id = $1::UUID AND t.deleted_at IS NULL AND t.scope_id = ANY ($2::UUID[])
 LIMIT $3::INTEGER;

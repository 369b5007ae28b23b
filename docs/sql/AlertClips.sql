-- AlertClips. Made by `make schema`; change the code, not this file.

SELECT CAST(t.id AS TEXT) AS c0
FROM sos_alert AS t
WHERE t.id = $1::UUID AND t.deleted_at IS NULL AND t.scope_id = ANY ($2::UUID[])
 LIMIT $3::INTEGER;

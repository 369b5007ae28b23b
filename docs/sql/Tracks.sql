-- Tracks. Made by `make schema`; change the code, not this file.

SELECT CAST(t.id AS TEXT) AS c0, t.at AS c1, CAST(t.device_id AS TEXT) AS c2, CAST(t.patrol_id AS TEXT) AS c3, t.latitude AS c4, t.longitude AS c5, t.accuracy_m AS c6, t.speed_mps AS c7, t.heading_deg AS c8, t.battery_percent AS c9, t.time_suspect AS c10, t.at AS _value, t.id AS _key
FROM track_point AS t
WHERE t.officer_id = $1::UUID AND t.at >= $2::TIMESTAMP WITH TIME ZONE AND t.at < $3::TIMESTAMP WITH TIME ZONE ORDER BY t.at ASC, t.id ASC
 LIMIT $4::INTEGER;

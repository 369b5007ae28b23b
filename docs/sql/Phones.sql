-- Phones. Made by `make schema`; change the code, not this file.

SELECT page.c0, page.c1, page.c2, page.c3, page.c4, page.c5, page.c6, page.c7, page.c8, page.c9, page.c10, page.c11, page.c12, page.c13, page.c14, page.c15, page.c16, page.c17, page.c18, page.c19, page.c20, page.c21, page._value, page._key, (SELECT count(*) AS count_1
FROM officer_phone AS t) AS _total
FROM (SELECT $1::INTEGER AS one) AS once LEFT OUTER JOIN (SELECT CAST(t.id AS TEXT) AS c0, t.heard_at AS c1, t.reported_at AS c2, t.app_version AS c3, t.contract_version AS c4, t.battery_percent AS c5, t.sos_held AS c6, t.sos_oldest_at AS c7, t.records_held AS c8, t.records_oldest_at AS c9, t.tracks_held AS c10, t.tracks_oldest_at AS c11, CAST(j0.id AS TEXT) AS c12, j0.badge AS c13, j0.name AS c14, j0.name_th AS c15, CAST(j1.id AS TEXT) AS c16, j1.platform AS c17, j1.model AS c18, j1.revoked_at AS c19, j1.wipe_ordered_at AS c20, j1.wiped_at AS c21, t.heard_at AS _value, t.id AS _key
FROM officer_phone AS t LEFT OUTER JOIN officer AS j0 ON t.officer_id = j0.id LEFT OUTER JOIN device AS j1 ON t.device_id = j1.id ORDER BY t.heard_at DESC, t.id DESC
 LIMIT $2::INTEGER) AS page ON true ORDER BY page._value DESC, page._key DESC;

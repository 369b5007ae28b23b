-- Refused. Made by `make schema`; change the code, not this file.

SELECT page.c0, page.c1, page.c2, page.c3, page.c4, page.c5, page.c6, page.c7, page.c8, page.c9, page.c10, page.c11, page.c12, page.c13, page.c14, page.c15, page.c16, page.c17, page.c18, page._value, page._key, (SELECT count(*) AS count_1
FROM quarantine AS t) AS _total
FROM (SELECT $1::INTEGER AS one) AS once LEFT OUTER JOIN (SELECT CAST(t.id AS TEXT) AS c0, t.state AS c1, t.lane AS c2, t.sequence AS c3, CAST(t.mutation_id AS TEXT) AS c4, t.payload AS c5, t.code AS c6, t.surrendered AS c7, t.created_at AS c8, t.outcome AS c9, t.resolved_at AS c10, t.reason AS c11, CAST(j0.id AS TEXT) AS c12, j0.badge AS c13, j0.name AS c14, j0.name_th AS c15, CAST(j1.id AS TEXT) AS c16, j1.platform AS c17, j1.model AS c18, t.created_at AS _value, t.id AS _key
FROM quarantine AS t LEFT OUTER JOIN officer AS j0 ON t.officer_id = j0.id LEFT OUTER JOIN device AS j1 ON t.device_id = j1.id ORDER BY t.created_at ASC, t.id ASC
 LIMIT $2::INTEGER) AS page ON true ORDER BY page._value ASC, page._key ASC;

-- Reachability. Made by `make schema`; change the code, not this file.

select reach.*, officer.badge, officer.rank, officer.name, officer.name_th
from access.reach($1) reach join officer on officer.id = reach.officer_id
order by officer.badge, reach.officer_id, reach.installation_id;

select * from station_reach order by station_id;

-- Me. Made by `make schema`; change the code, not this file.

select officer.id, station_id, badge, role, rank, name, name_th, coalesce(state.on_duty, false) as on_duty
from officer left join officer_state state on state.officer_id = officer.id
where officer.id = $1;

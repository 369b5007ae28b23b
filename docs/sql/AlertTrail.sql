-- AlertTrail. Made by `make schema`; change the code, not this file.

select latitude, longitude from sos_alert where id = $1 and deleted_at is null;

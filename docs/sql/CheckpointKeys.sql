-- CheckpointKeys. Made by `make schema`; change the code, not this file.

select kid, public_key, believed_until from access.checkpoint_keys() order by kid;

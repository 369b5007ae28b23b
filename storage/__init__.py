"""What is kept: tables, database, buckets, job queue and the servers of one machine."""

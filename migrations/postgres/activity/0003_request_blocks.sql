-- What happened with this licence? An index over all requests of it has each new row at a place of its own, and so costs a
-- page of the write-ahead log for each verification. So many rows as a number of 13 bits counts, one after the other, are
-- a block: new rows all go to the newest one, and a question looks into block after block.
DROP INDEX activity.request_license;
CREATE INDEX request_license ON activity.request ((id >> 13), license_id) WHERE license_id IS NOT NULL;

-- What a restore works towards, while one is under way: the last position of the copy (8 bytes, big endian) and the
-- root of its Merkle tree (32 bytes). While it stands here nothing else is appended, so that half a ledger is never
-- taken for a whole one. NULL otherwise.
ALTER TABLE ledger_head ADD COLUMN restoring BLOB CHECK (restoring IS NULL OR length(restoring) = 40);

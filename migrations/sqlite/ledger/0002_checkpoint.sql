-- Signed tree heads (C2SP checkpoints): what the log has told the world about its first `size` events. One per size, so
-- that it can never tell two things about the same.
CREATE TABLE checkpoint (
    size      INTEGER PRIMARY KEY CHECK (size > 0),
    root      BLOB    NOT NULL CHECK (length(root) = 32),
    signed_at INTEGER NOT NULL, -- microseconds since the Unix epoch
    note      TEXT    NOT NULL  -- the signed note, as it is served
) STRICT;

-- Roots of the perfect subtrees of 256, 256 × 256, … events (tiles of level 1, 2, …; those of level 0 are the events'
-- own leaf hashes), so that a proof reads hundreds of hashes and not the whole ledger.
CREATE TABLE merkle_tile (
    level INTEGER NOT NULL CHECK (level > 0),
    idx   INTEGER NOT NULL CHECK (idx >= 0),
    hash  BLOB    NOT NULL CHECK (length(hash) = 32),
    PRIMARY KEY (level, idx)
) STRICT, WITHOUT ROWID;

-- What was signed stays signed, and what a proof was computed from stays as it was.
CREATE TRIGGER checkpoint_is_never_updated BEFORE UPDATE ON checkpoint
BEGIN SELECT RAISE(ABORT, 'the ledger is append-only: checkpoints are never updated'); END;
CREATE TRIGGER checkpoint_is_never_deleted BEFORE DELETE ON checkpoint
BEGIN SELECT RAISE(ABORT, 'the ledger is append-only: checkpoints are never deleted'); END;
CREATE TRIGGER checkpoint_is_only_appended BEFORE INSERT ON checkpoint
WHEN EXISTS (SELECT 1 FROM checkpoint WHERE size = NEW.size)
BEGIN SELECT RAISE(ABORT, 'the ledger is append-only: a size is signed once'); END;
CREATE TRIGGER merkle_tile_is_never_updated BEFORE UPDATE ON merkle_tile
BEGIN SELECT RAISE(ABORT, 'the ledger is append-only: tiles are never updated'); END;
CREATE TRIGGER merkle_tile_is_never_deleted BEFORE DELETE ON merkle_tile
BEGIN SELECT RAISE(ABORT, 'the ledger is append-only: tiles are never deleted'); END;
CREATE TRIGGER merkle_tile_is_only_appended BEFORE INSERT ON merkle_tile
WHEN EXISTS (SELECT 1 FROM merkle_tile WHERE level = NEW.level AND idx = NEW.idx)
BEGIN SELECT RAISE(ABORT, 'the ledger is append-only: a subtree has one root'); END;

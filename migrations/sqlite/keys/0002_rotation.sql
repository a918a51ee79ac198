-- The master key in force, by an id that tells nothing of it: nobody may store what another one wraps. While a rotation
-- is handed over, the new master key stands here wrapped by the one before, for processes that still know only that.
CREATE TABLE master_key (
    only_row    INTEGER PRIMARY KEY CHECK (only_row = 1),
    id          BLOB NOT NULL CHECK (length(id) = 16),
    before      BLOB CHECK (length(before) = 16),
    handed_over BLOB
) STRICT;

-- The server's signing keys, old ones too: what they signed can be verified for ever. The seed of each is the data key
-- of the same id.
CREATE TABLE server_key (
    id         BLOB PRIMARY KEY CHECK (length(id) = 16),
    public_key BLOB NOT NULL,
    valid_from INTEGER NOT NULL, -- microseconds since the Unix epoch
    ordinal    INTEGER NOT NULL UNIQUE -- of two that are made at once, one fails
) STRICT, WITHOUT ROWID;

-- The bookkeeping of views: one row per build of a view. Rows of a view and its row here change in one
-- transaction, so a view is exactly as far as this says.
CREATE TABLE projection (
    name             TEXT    NOT NULL,
    version          INTEGER NOT NULL, -- of the build; its table is <name>_v<version>
    code_version     INTEGER NOT NULL, -- of the code that computes it; nodes of two releases keep one each
    status           TEXT    NOT NULL CHECK (status IN ('building', 'live', 'retired', 'faulted')),
    position         INTEGER NOT NULL, -- of the last event applied
    leaf_hash        BLOB,             -- of that event: another one there means another ledger
    changed_position INTEGER NOT NULL, -- of the last event that changed a row; caches ask for it
    fault_position   INTEGER,          -- of the event that could not be applied
    fault_message    TEXT,
    updated_at       INTEGER NOT NULL, -- microseconds since the Unix epoch
    PRIMARY KEY (name, version)
) STRICT;

-- Two processes that start at once must not both begin a view.
CREATE UNIQUE INDEX projection_one_serving ON projection (name, code_version) WHERE status IN ('live', 'faulted');

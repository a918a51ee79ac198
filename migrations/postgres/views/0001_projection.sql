-- The bookkeeping of views: one row per build of a view. Rows of a view and its row here change in one
-- transaction, so a view is exactly as far as this says. The low fill factor keeps the many versions of a row in
-- its page (HOT updates).
CREATE TABLE views.projection (
    name             text   COLLATE "C" NOT NULL,
    version          bigint NOT NULL, -- of the build; its table is <name>_v<version>
    code_version     bigint NOT NULL, -- of the code that computes it; nodes of two releases keep one each
    status           text   NOT NULL CHECK (status IN ('building', 'live', 'retired', 'faulted')),
    position         bigint NOT NULL, -- of the last event applied
    leaf_hash        bytea,           -- of that event: another one there means another ledger
    changed_position bigint NOT NULL, -- of the last event that changed a row; caches ask for it
    fault_position   bigint,          -- of the event that could not be applied
    fault_message    text,
    updated_at       bigint NOT NULL, -- microseconds since the Unix epoch
    PRIMARY KEY (name, version)
) WITH (fillfactor = 20);

-- Two processes that start at once must not both begin a view.
CREATE UNIQUE INDEX projection_one_serving ON views.projection (name, code_version)
WHERE status IN ('live', 'faulted');

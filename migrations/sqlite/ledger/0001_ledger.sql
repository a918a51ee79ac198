-- One row: the lock and the counter of the ledger, and the Merkle frontier over all leaves. Positions come from
-- here and never from a sequence, so that a rolled-back append leaves no gap.
CREATE TABLE ledger_head (
    id          INTEGER PRIMARY KEY CHECK (id = 1),
    position    INTEGER NOT NULL,
    recorded_at INTEGER NOT NULL, -- microseconds since the Unix epoch; never goes back
    frontier    BLOB    NOT NULL
) STRICT;
INSERT INTO ledger_head VALUES (1, 0, 0, x'');

-- Optimistic concurrency lives here: an append names the version it decided on.
CREATE TABLE stream (
    team     BLOB    NOT NULL CHECK (length(team) = 16),
    stream   TEXT    NOT NULL,
    version  INTEGER NOT NULL,
    position INTEGER NOT NULL, -- of its last event
    PRIMARY KEY (team, stream)
) STRICT, WITHOUT ROWID;

-- What happened. Rows are only ever inserted, by the Writer.
CREATE TABLE event (
    position       INTEGER PRIMARY KEY,
    team           BLOB    NOT NULL CHECK (length(team) = 16),
    stream         TEXT    NOT NULL,
    stream_version INTEGER NOT NULL,
    event_id       BLOB    NOT NULL CHECK (length(event_id) = 16),
    type           TEXT    NOT NULL,
    schema_version INTEGER NOT NULL,
    occurred_at    INTEGER NOT NULL, -- the provider's time, in microseconds
    recorded_at    INTEGER NOT NULL, -- ours
    causation_id   BLOB,
    correlation_id BLOB,
    actor          TEXT    NOT NULL,
    payload        BLOB    NOT NULL, -- the exact bytes under the leaf
    leaf_hash      BLOB    NOT NULL CHECK (length(leaf_hash) = 32)
) STRICT;

-- The second line of defence behind the Writer's own judgement: an id is stored once.
CREATE UNIQUE INDEX event_id_once ON event (event_id);
-- A stream has one event per version, and is read in this order.
CREATE UNIQUE INDEX event_stream_version ON event (team, stream, stream_version);

-- History is never rewritten, whoever holds the connection.
CREATE TRIGGER event_is_never_updated BEFORE UPDATE ON event
BEGIN SELECT RAISE(ABORT, 'the ledger is append-only: events are never updated'); END;
CREATE TRIGGER event_is_never_deleted BEFORE DELETE ON event
BEGIN SELECT RAISE(ABORT, 'the ledger is append-only: events are never deleted'); END;
-- INSERT OR REPLACE deletes the row it collides with, by any unique key, without firing the trigger above.
CREATE TRIGGER event_is_only_appended BEFORE INSERT ON event
WHEN NEW.position <= (SELECT position FROM ledger_head)
  OR EXISTS (SELECT 1 FROM event WHERE event_id = NEW.event_id)
  OR EXISTS (SELECT 1 FROM event WHERE team = NEW.team AND stream = NEW.stream AND stream_version = NEW.stream_version)
BEGIN SELECT RAISE(ABORT, 'the ledger is append-only: positions only grow, ids and stream versions are given once'); END;

-- One row: the lock and the counter of the ledger, and the Merkle frontier over all leaves. Positions come from
-- here and never from a sequence, so that a rolled-back append leaves no gap. The low fill factor keeps the many
-- versions of the one row in its page (HOT updates).
CREATE TABLE ledger.ledger_head (
    id          smallint PRIMARY KEY CHECK (id = 1),
    position    bigint NOT NULL,
    recorded_at bigint NOT NULL, -- microseconds since the Unix epoch; never goes back
    frontier    bytea  NOT NULL
) WITH (fillfactor = 10);
INSERT INTO ledger.ledger_head VALUES (1, 0, 0, '');

-- Optimistic concurrency lives here: an append names the version it decided on.
CREATE TABLE ledger.stream (
    team     uuid   NOT NULL,
    stream   text   COLLATE "C" NOT NULL,
    version  bigint NOT NULL,
    position bigint NOT NULL, -- of its last event
    PRIMARY KEY (team, stream)
);

-- What happened. Rows are only ever inserted, by the Writer. The payload is bytea, never jsonb, which would
-- rewrite the bytes under the hash.
CREATE TABLE ledger.event (
    position       bigint   PRIMARY KEY,
    team           uuid     NOT NULL,
    stream         text     COLLATE "C" NOT NULL,
    stream_version bigint   NOT NULL,
    event_id       uuid     NOT NULL,
    type           text     NOT NULL,
    schema_version smallint NOT NULL,
    occurred_at    bigint   NOT NULL, -- the provider's time, in microseconds
    recorded_at    bigint   NOT NULL, -- ours
    causation_id   uuid,
    correlation_id uuid,
    actor          text     NOT NULL,
    payload        bytea    NOT NULL, -- the exact bytes under the leaf
    leaf_hash      bytea    NOT NULL CHECK (octet_length(leaf_hash) = 32)
);

-- The second line of defence behind the Writer's own judgement: an id is stored once.
CREATE UNIQUE INDEX event_id_once ON ledger.event (event_id);
-- A stream has one event per version, and is read in this order.
CREATE UNIQUE INDEX event_stream_version ON ledger.event (team, stream, stream_version);

-- History is never rewritten, whoever holds the connection.
CREATE FUNCTION ledger.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION 'the ledger is append-only: events are never updated or deleted'; END $$;
CREATE TRIGGER event_is_never_changed BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger.event
FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change();

-- Signed tree heads (C2SP checkpoints): what the log has told the world about its first `size` events. One per size, so
-- that it can never tell two things about the same, whichever node signs.
CREATE TABLE ledger.checkpoint (
    size      bigint PRIMARY KEY CHECK (size > 0),
    root      bytea  NOT NULL CHECK (octet_length(root) = 32),
    signed_at bigint NOT NULL, -- microseconds since the Unix epoch
    note      text   NOT NULL  -- the signed note, as it is served
);

-- Roots of the perfect subtrees of 256, 256 × 256, … events (tiles of level 1, 2, …; those of level 0 are the events'
-- own leaf hashes), so that a proof reads hundreds of hashes and not the whole ledger.
CREATE TABLE ledger.merkle_tile (
    level bigint NOT NULL CHECK (level > 0),
    idx   bigint NOT NULL CHECK (idx >= 0),
    hash  bytea  NOT NULL CHECK (octet_length(hash) = 32),
    PRIMARY KEY (level, idx)
);

-- What was signed stays signed, and what a proof was computed from stays as it was.
CREATE FUNCTION ledger.refuse_change_of_proofs() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION 'the ledger is append-only: checkpoints and tiles are never updated or deleted'; END $$;
CREATE TRIGGER checkpoint_is_never_changed BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger.checkpoint
FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change_of_proofs();
CREATE TRIGGER merkle_tile_is_never_changed BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger.merkle_tile
FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change_of_proofs();

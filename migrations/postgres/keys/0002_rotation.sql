-- The master key in force, by an id that tells nothing of it: nobody may store what another one wraps. While a rotation
-- is handed over, the new master key stands here wrapped by the one before, for processes that still know only that.
CREATE TABLE keys.master_key (
    only_row    bigint PRIMARY KEY CHECK (only_row = 1),
    id          uuid NOT NULL,
    before      uuid,
    handed_over bytea
);

-- The server's signing keys, old ones too: what they signed can be verified for ever. The seed of each is the data key
-- of the same id.
CREATE TABLE keys.server_key (
    id         uuid PRIMARY KEY,
    public_key bytea NOT NULL,
    valid_from bigint NOT NULL, -- microseconds since the Unix epoch
    ordinal    bigint NOT NULL UNIQUE -- of two that are made at once, one fails
);

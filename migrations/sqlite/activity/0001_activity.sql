-- When the devices and addresses of a licence were seen. `kind` is 1 for a device, 2 for an address. The key serves
-- the one question that is asked: who was seen with this licence?
CREATE TABLE seen (
    team       BLOB    NOT NULL,
    license_id BLOB    NOT NULL,
    kind       INTEGER NOT NULL,
    seat_id    BLOB    NOT NULL,
    identifier TEXT    NOT NULL,
    country    TEXT,
    first_seen INTEGER NOT NULL, -- microseconds since the Unix epoch
    last_seen  INTEGER NOT NULL,
    PRIMARY KEY (team, license_id, kind, seat_id)
) STRICT, WITHOUT ROWID;

-- When a licence was last verified with success, and when an API key was last used. `kind` is 1 for a licence, 2 for a key.
CREATE TABLE used (
    team    BLOB    NOT NULL,
    kind    INTEGER NOT NULL,
    id      BLOB    NOT NULL,
    used_at INTEGER NOT NULL,
    PRIMARY KEY (team, kind, id)
) STRICT, WITHOUT ROWID;

-- Every verification, for as long as the retention says. `kind` is 1 for a verification, 2 for a heartbeat.
CREATE TABLE request (
    id          INTEGER PRIMARY KEY,
    at          INTEGER NOT NULL,
    team        BLOB    NOT NULL,
    kind        INTEGER NOT NULL,
    code        TEXT    NOT NULL,
    license_id  BLOB,
    product_id  BLOB,
    customer_id BLOB,
    device      TEXT,
    address     TEXT,
    country     TEXT,
    version     TEXT,
    branch      TEXT,
    latency_us  INTEGER NOT NULL
) STRICT;

-- Rows come and go in the order of time: this index grows at its right edge, and purging eats it from the left. The
-- statistics read a window of it.
CREATE INDEX request_at ON request (at, team, code, kind);
-- The question that is asked most: what happened with this licence?
CREATE INDEX request_license ON request (license_id, id) WHERE license_id IS NOT NULL;

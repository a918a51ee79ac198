-- When the devices and addresses of a licence were seen. `kind` is 1 for a device, 2 for an address. The key serves
-- the one question that is asked: who was seen with this licence?
CREATE TABLE activity.seen (
    team       bytea   NOT NULL,
    license_id bytea   NOT NULL,
    kind       bigint NOT NULL,
    seat_id    bytea   NOT NULL,
    identifier text    NOT NULL,
    country    text,
    first_seen bigint  NOT NULL, -- microseconds since the Unix epoch
    last_seen  bigint  NOT NULL,
    PRIMARY KEY (team, license_id, kind, seat_id)
);

-- When a licence was last verified with success, and when an API key was last used. `kind` is 1 for a licence, 2 for a key.
CREATE TABLE activity.used (
    team    bytea   NOT NULL,
    kind    bigint NOT NULL,
    id      bytea   NOT NULL,
    used_at bigint  NOT NULL,
    PRIMARY KEY (team, kind, id)
);

-- Every verification, for as long as the retention says. `kind` is 1 for a verification, 2 for a heartbeat.
CREATE TABLE activity.request (
    id          bigint  GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at          bigint  NOT NULL,
    team        bytea   NOT NULL,
    kind        bigint NOT NULL,
    code        text    NOT NULL,
    license_id  bytea,
    product_id  bytea,
    customer_id bytea,
    device      text,
    address     text,
    country     text,
    version     text,
    branch      text,
    latency_us  bigint  NOT NULL
);

-- Rows come and go in the order of time: this index grows at its right edge, and purging eats it from the left. The
-- statistics read a window of it.
CREATE INDEX request_at ON activity.request (at, team, code, kind);
-- The question that is asked most: what happened with this licence?
CREATE INDEX request_license ON activity.request (license_id, id) WHERE license_id IS NOT NULL;

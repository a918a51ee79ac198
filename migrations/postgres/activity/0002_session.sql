-- Browsers that are signed in to the dashboard. The id itself is in the browser alone: whoever reads this table cannot
-- take over a session. Times are microseconds since the Unix epoch.
CREATE TABLE activity.session (
    id_hash    bytea  NOT NULL PRIMARY KEY, -- SHA-256 of the id
    team       bytea,
    member_id  bytea,
    created_at bigint NOT NULL,
    seen_at    bigint NOT NULL,
    expires_at bigint NOT NULL,
    address    text,
    agent      text,
    data       text   NOT NULL
);

-- "Which browsers am I signed in on?"
CREATE INDEX session_member ON activity.session (team, member_id) WHERE member_id IS NOT NULL;
-- Expired ones are purged from the left.
CREATE INDEX session_expires ON activity.session (expires_at);

-- The latest step of time whose code a member has used: a code works once.
CREATE TABLE activity.used_code (
    team      bytea  NOT NULL,
    member_id bytea  NOT NULL,
    step      bigint NOT NULL,
    PRIMARY KEY (team, member_id)
);

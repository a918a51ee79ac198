-- Browsers that are signed in to the dashboard. The id itself is in the browser alone: whoever reads this table cannot
-- take over a session. Times are microseconds since the Unix epoch.
CREATE TABLE session (
    id_hash    BLOB    NOT NULL PRIMARY KEY, -- SHA-256 of the id
    team       BLOB,
    member_id  BLOB,
    created_at INTEGER NOT NULL,
    seen_at    INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    address    TEXT,
    agent      TEXT,
    data       TEXT    NOT NULL
) STRICT, WITHOUT ROWID;

-- "Which browsers am I signed in on?"
CREATE INDEX session_member ON session (team, member_id) WHERE member_id IS NOT NULL;
-- Expired ones are purged from the left.
CREATE INDEX session_expires ON session (expires_at);

-- The latest step of time whose code a member has used: a code works once.
CREATE TABLE used_code (
    team      BLOB    NOT NULL,
    member_id BLOB    NOT NULL,
    step      INTEGER NOT NULL,
    PRIMARY KEY (team, member_id)
) STRICT, WITHOUT ROWID;

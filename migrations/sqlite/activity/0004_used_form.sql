-- Forms of the dashboard that are sent once and were sent: of two requests with the same form, on any number of
-- nodes, one gets the row and does the work. Times are microseconds since the Unix epoch.
CREATE TABLE used_form (
    team    BLOB    NOT NULL,
    form_id BLOB    NOT NULL,
    used_at INTEGER NOT NULL,
    PRIMARY KEY (team, form_id)
) STRICT, WITHOUT ROWID;

-- Forms of the dashboard that are sent once and were sent: of two requests with the same form, on any number of
-- nodes, one gets the row and does the work. Times are microseconds since the Unix epoch.
CREATE TABLE activity.used_form (
    team    bytea  NOT NULL,
    form_id bytea  NOT NULL,
    used_at bigint NOT NULL,
    PRIMARY KEY (team, form_id)
);

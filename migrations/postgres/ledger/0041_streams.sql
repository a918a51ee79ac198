-- A stream's version is that of its last event, which the index event_stream_version ends with. Kept a second time here,
-- it cost each append a page of its own for each stream, for names of streams are random.
DROP TABLE ledger.stream;

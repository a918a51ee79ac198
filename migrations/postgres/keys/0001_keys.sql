-- Data keys, wrapped by the master key. Deleting a row makes all that it sealed unreadable for ever. The schema
-- is dumped and kept apart from the ledger's.
CREATE TABLE keys.data_key (
    id      uuid  PRIMARY KEY,
    wrapped bytea NOT NULL
);

-- Deliveries that name a customer: their keys go with the customer's.
CREATE TABLE keys.key_link (
    customer_id uuid NOT NULL,
    key_id      uuid NOT NULL,
    PRIMARY KEY (customer_id, key_id)
);

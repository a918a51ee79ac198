-- Data keys, wrapped by the master key. Deleting a row makes all that it sealed unreadable for ever.
CREATE TABLE data_key (
    id      BLOB PRIMARY KEY CHECK (length(id) = 16),
    wrapped BLOB NOT NULL
) STRICT, WITHOUT ROWID;

-- Deliveries that name a customer: their keys go with the customer's.
CREATE TABLE key_link (
    customer_id BLOB NOT NULL,
    key_id      BLOB NOT NULL,
    PRIMARY KEY (customer_id, key_id)
) STRICT, WITHOUT ROWID;

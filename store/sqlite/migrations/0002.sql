-- Webhooks as receivers took them, what they still have to do, and what watchdogs remember.

ALTER TABLE clock ADD COLUMN inbounds INTEGER NOT NULL DEFAULT 0;
ALTER TABLE clock ADD COLUMN intents INTEGER NOT NULL DEFAULT 0;

-- States: 0 received -> 1 ignored | 2 applied | 3 failed. A webhook is received for as long as it has intents; outcome
-- is then the highest of those that are over. failed -> received by a redelivery, any by a replay.
CREATE TABLE inbound (
    id       INTEGER PRIMARY KEY,
    receiver TEXT NOT NULL,
    delivery TEXT,    -- the sender's id; null where it has none
    until    INTEGER, -- when that may act again
    at       INTEGER NOT NULL,
    method   TEXT NOT NULL,
    path     TEXT NOT NULL,
    query    TEXT NOT NULL,
    header   TEXT NOT NULL, -- a JSON object of arrays
    body     BLOB NOT NULL,
    state    INTEGER NOT NULL CHECK (state BETWEEN 0 AND 3),
    outcome  INTEGER NOT NULL CHECK (outcome BETWEEN 0 AND 3),
    reason   TEXT NOT NULL,
    CHECK ((delivery IS NULL) = (until IS NULL)),
    CHECK (state IN (0, outcome))
) STRICT;
CREATE INDEX inbound_delivery ON inbound (receiver, delivery) WHERE delivery IS NOT NULL;
CREATE INDEX inbound_at ON inbound (at);
CREATE INDEX inbound_failed ON inbound (id) WHERE state = 3;

-- What is still to be done; a row goes when it is over.
CREATE TABLE intent (
    id      INTEGER PRIMARY KEY,
    inbound INTEGER NOT NULL REFERENCES inbound (id),
    job     INTEGER NOT NULL REFERENCES job (number),
    kind    INTEGER NOT NULL CHECK (kind BETWEEN 0 AND 2), -- apply poll lookup
    at      INTEGER NOT NULL
) STRICT;
CREATE INDEX intent_inbound ON intent (inbound);
CREATE INDEX intent_job ON intent (job);

CREATE TABLE watchdog (
    job   INTEGER PRIMARY KEY REFERENCES job (number),
    state BLOB NOT NULL
) STRICT;

CREATE TABLE transition (
    id     INTEGER PRIMARY KEY,
    job    INTEGER NOT NULL REFERENCES job (number),
    at     INTEGER NOT NULL,
    before TEXT NOT NULL,
    after  TEXT NOT NULL,
    why    TEXT NOT NULL,
    missed INTEGER NOT NULL
) STRICT;
CREATE INDEX transition_job ON transition (job, id);
CREATE INDEX transition_at ON transition (at);

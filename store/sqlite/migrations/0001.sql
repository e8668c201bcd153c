-- The store of one bridge. Times are milliseconds since 1970, UTC. Everything that can be stated as a constraint is,
-- so that a bug shows as a refused statement and not as a lost event.

CREATE TABLE meta (
    name  TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- The last numbers given out. Kept apart from the rows they number, because pruned numbers must never come again.
CREATE TABLE clock (
    one        INTEGER PRIMARY KEY CHECK (one = 1),
    commits    INTEGER NOT NULL,
    events     INTEGER NOT NULL,
    deliveries INTEGER NOT NULL,
    holds      INTEGER NOT NULL
) STRICT;
INSERT INTO clock VALUES (1, 0, 0, 0, 0);

-- A job whose name is null is being forgotten.
CREATE TABLE job (
    number       INTEGER PRIMARY KEY AUTOINCREMENT,
    name         TEXT UNIQUE,
    digest       TEXT NOT NULL DEFAULT '',
    identity     TEXT NOT NULL DEFAULT '',
    baselined    INTEGER NOT NULL DEFAULT 0 CHECK (baselined IN (0, 1)),
    empty        INTEGER NOT NULL DEFAULT 0 CHECK (empty IN (0, 1)),
    rules        TEXT NOT NULL DEFAULT '',
    old_rules    TEXT NOT NULL DEFAULT '',
    rules_number INTEGER NOT NULL DEFAULT 1,
    paused       INTEGER NOT NULL DEFAULT 0 CHECK (paused IN (0, 1)),
    last_row     INTEGER NOT NULL DEFAULT 0, -- lower 40 bits of the youngest row's id
    records      INTEGER NOT NULL DEFAULT 0 CHECK (records >= 0),
    sequence     INTEGER NOT NULL DEFAULT 0, -- of the last event
    last_event   INTEGER NOT NULL DEFAULT 0, -- its time
    pruned       INTEGER NOT NULL DEFAULT 0  -- numbers whose events retention took, or a restore left behind
) STRICT;
INSERT INTO job (number, name) VALUES (0, 'bridge'); -- the bridge's own events

-- Apart from job, because it is written at the end of every run and a checkpoint may be long.
CREATE TABLE run (
    job        INTEGER PRIMARY KEY REFERENCES job (number),
    report     TEXT,
    checkpoint BLOB
) STRICT;

-- Snapshot rows: id = job << 40 | n clusters a job's rows in the order they arrived. Bodies live apart, so that loading
-- the index reads small rows only.
CREATE TABLE record (
    id     INTEGER PRIMARY KEY,
    key    TEXT NOT NULL,
    mark   BLOB NOT NULL CHECK (length(mark) = 40), -- id, hash of the key, of the body, fingerprint, its rules' number
    moved  INTEGER NOT NULL, -- number of the commit that last wrote it
    absent INTEGER NOT NULL DEFAULT 0 CHECK (absent >= -1), -- complete fetches in a row without it; -1: deletion rejected
    stable INTEGER NOT NULL DEFAULT 0 CHECK (stable >= 0),
    hold   INTEGER NOT NULL DEFAULT 0,
    job    INTEGER NOT NULL GENERATED ALWAYS AS (id >> 40) VIRTUAL,
    CHECK (hold = 0 OR absent > 0)
) STRICT;
CREATE UNIQUE INDEX record_key ON record (job, key);
CREATE INDEX record_absent ON record (job, hold, absent, stable) WHERE absent <> 0;

CREATE TABLE body (
    id   INTEGER PRIMARY KEY,
    body BLOB NOT NULL
) STRICT;

-- Keys deleted while another run of the job was under way. Cleared when the store is opened.
CREATE TABLE tombstone (
    job   INTEGER NOT NULL,
    key   TEXT NOT NULL,
    moved INTEGER NOT NULL,
    PRIMARY KEY (job, key)
) STRICT, WITHOUT ROWID;

CREATE TABLE hold (
    id    INTEGER PRIMARY KEY,
    job   INTEGER NOT NULL UNIQUE REFERENCES job (number),
    since INTEGER NOT NULL,
    total INTEGER NOT NULL
) STRICT;

CREATE TABLE quarantine (
    job    INTEGER NOT NULL REFERENCES job (number),
    n      INTEGER NOT NULL,
    key    TEXT NOT NULL,
    page   INTEGER NOT NULL,
    item   INTEGER NOT NULL,
    reason TEXT NOT NULL,
    body   BLOB,
    PRIMARY KEY (job, n)
) STRICT, WITHOUT ROWID;

CREATE TABLE event (
    number   INTEGER PRIMARY KEY,
    id       BLOB NOT NULL UNIQUE CHECK (length(id) = 16), -- the UUIDv7 behind evt_
    job      INTEGER NOT NULL,
    name     TEXT NOT NULL, -- of the job when it was told
    sequence INTEGER NOT NULL CHECK (sequence > 0),
    type     TEXT NOT NULL,
    key      TEXT NOT NULL,
    op       INTEGER NOT NULL CHECK (op BETWEEN 0 AND 3),     -- none created updated deleted
    origin   INTEGER NOT NULL CHECK (origin BETWEEN 0 AND 6), -- none schedule manual webhook probe fallback reconcile
    time     INTEGER NOT NULL,
    changed  TEXT, -- a JSON array of pointers
    data     BLOB,
    before   BLOB,
    after    BLOB,
    UNIQUE (job, sequence)
) STRICT;
CREATE INDEX event_time ON event (time);

-- A destination whose name is null is being forgotten.
CREATE TABLE destination (
    number  INTEGER PRIMARY KEY AUTOINCREMENT,
    name    TEXT UNIQUE,
    state   INTEGER NOT NULL DEFAULT 0 CHECK (state BETWEEN 0 AND 2), -- active paused disabled
    reason  TEXT NOT NULL DEFAULT '',
    since   INTEGER NOT NULL,
    backlog INTEGER NOT NULL DEFAULT 0 CHECK (backlog >= 0),
    dead    INTEGER NOT NULL DEFAULT 0 CHECK (dead >= 0)
) STRICT;

-- States: 0 waiting -> 1 ready -> 2 delivered | 3 dead; delivered and dead -> ready again by replay, which stands
-- outside the order. hash is of (job, key), null for what keeps no order. lane is the id of the delivery that opened the
-- lane, so that the index over heads grows and shrinks at its ends, however many keys there are.
CREATE TABLE delivery (
    id          INTEGER PRIMARY KEY,
    event       INTEGER NOT NULL REFERENCES event (number),
    destination INTEGER NOT NULL REFERENCES destination (number),
    hash        INTEGER,
    lane        INTEGER NOT NULL,
    state       INTEGER NOT NULL CHECK (state BETWEEN 0 AND 3),
    due         INTEGER,
    ended       INTEGER,
    changed     INTEGER NOT NULL,
    tries       INTEGER NOT NULL DEFAULT 0, -- since the last replay
    made        INTEGER NOT NULL DEFAULT 0, -- ever
    replay      INTEGER NOT NULL CHECK (replay IN (0, 1)),
    format      TEXT NOT NULL,
    version     INTEGER NOT NULL,
    CHECK ((due IS NOT NULL) = (state = 1)),
    CHECK ((ended IS NOT NULL) = (state IN (2, 3))),
    CHECK (lane = id OR (lane < id AND hash IS NOT NULL)),
    CHECK (state <> 0 OR (lane < id AND replay = 0)),
    CHECK (tries BETWEEN 0 AND made)
) STRICT;
CREATE UNIQUE INDEX delivery_event ON delivery (event, destination);
CREATE UNIQUE INDEX delivery_head ON delivery (destination, lane) WHERE state = 1 AND replay = 0;
CREATE INDEX delivery_waiting ON delivery (destination, lane) WHERE state = 0;
CREATE INDEX delivery_ready ON delivery (destination, due) WHERE state = 1;
CREATE INDEX delivery_dead ON delivery (ended) WHERE state = 3;

CREATE TABLE attempt (
    delivery INTEGER NOT NULL REFERENCES delivery (id),
    n        INTEGER NOT NULL CHECK (n > 0),
    at       INTEGER NOT NULL,
    took     INTEGER NOT NULL, -- nanoseconds
    status   INTEGER NOT NULL,
    error    TEXT NOT NULL,
    answer   TEXT NOT NULL,
    PRIMARY KEY (delivery, n)
) STRICT, WITHOUT ROWID;

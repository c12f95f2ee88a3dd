-- Every table of salient, as the migrations leave it. Portable SQL: SQLite, Postgres, MySQL.
-- Times are ISO 8601 UTC text; JSON is text.

CREATE TABLE document (
    id            VARCHAR(20)  NOT NULL PRIMARY KEY,  -- model.document_id(workspace, source_key)
    workspace     VARCHAR(64)  NOT NULL,
    source_key    TEXT         NOT NULL,
    name          TEXT         NOT NULL,
    parent_id     VARCHAR(20),
    version       CHAR(64)     NOT NULL,              -- SHA-256 of the current bytes; 64 zeros when they could not be read
    media_type    VARCHAR(128),
    size_bytes    BIGINT       NOT NULL,
    metadata      TEXT         NOT NULL,              -- JSON object of text
    title         TEXT,
    language      VARCHAR(8),
    document_date VARCHAR(10),                        -- ISO date the document gives itself
    n_pages       INTEGER,
    n_characters  INTEGER,
    state         VARCHAR(12)  NOT NULL,
    stage         VARCHAR(16),
    code          VARCHAR(32),
    reason        TEXT,
    notes         TEXT         NOT NULL,              -- JSON list of sentences
    duplicate_of  VARCHAR(20),
    depth         INTEGER      NOT NULL,              -- 0 for what was added, 1 for its attachments, ...
    attempts      INTEGER      NOT NULL,
    owner         VARCHAR(128),                       -- who works on it: host:pid:start
    lease_until   DOUBLE PRECISION,                   -- seconds since the epoch
    added_at      VARCHAR(32)  NOT NULL,
    updated_at    VARCHAR(32)  NOT NULL,
    name_folded   TEXT,                               -- for comparing without case: storage.sql.fold
    title_folded  TEXT
);
CREATE INDEX document_by_state   ON document (workspace, state, id);
CREATE INDEX document_by_content ON document (version, workspace, added_at, id);
CREATE INDEX document_by_twin    ON document (duplicate_of);
CREATE INDEX document_by_parent  ON document (parent_id);
CREATE INDEX document_by_added   ON document (workspace, added_at, id);

-- Older contents of a document.
CREATE TABLE document_version (
    document_id VARCHAR(20) NOT NULL,
    version     CHAR(64)    NOT NULL,
    size_bytes  BIGINT      NOT NULL,
    added_at    VARCHAR(32) NOT NULL,
    PRIMARY KEY (document_id, version)
);

-- The ledger's detail: which component made the current artifact of each stage, and at what cost.
CREATE TABLE stage_run (
    document_id VARCHAR(20)      NOT NULL,
    stage       VARCHAR(16)      NOT NULL,
    component   VARCHAR(128)     NOT NULL,            -- name@version
    artifact    VARCHAR(255),                         -- blob key
    seconds     DOUBLE PRECISION NOT NULL,
    finished_at VARCHAR(32)      NOT NULL,
    PRIMARY KEY (document_id, stage)
);
CREATE INDEX stage_run_by_component ON stage_run (stage, component);

-- One row a mention. name_id groups the surface forms that are one name (knowledge/names.py).
CREATE TABLE mention (
    document_id    VARCHAR(20)      NOT NULL,
    ordinal        INTEGER          NOT NULL,
    start_at       INTEGER          NOT NULL,
    end_at         INTEGER          NOT NULL,
    page           INTEGER,
    label          VARCHAR(16)      NOT NULL,
    surface        TEXT             NOT NULL,
    score          DOUBLE PRECISION NOT NULL,
    name_id        VARCHAR(20)      NOT NULL,
    sentence_start INTEGER          NOT NULL,
    sentence_end   INTEGER          NOT NULL,
    component      VARCHAR(128)     NOT NULL,
    PRIMARY KEY (document_id, ordinal)
);
CREATE INDEX mention_by_name ON mention (name_id, document_id);

-- Distinct names of a workspace, and in which documents they stand. The sum over documents is what
-- resolution sees, so its result does not depend on the order of work.
CREATE TABLE name (
    id        VARCHAR(20)  NOT NULL PRIMARY KEY,      -- hash(workspace, type, norm)
    workspace VARCHAR(64)  NOT NULL,
    type      VARCHAR(16)  NOT NULL,
    norm      VARCHAR(255) NOT NULL
);
CREATE INDEX name_by_norm ON name (workspace, norm);

CREATE TABLE name_document (
    name_id     VARCHAR(20) NOT NULL,
    document_id VARCHAR(20) NOT NULL,
    n_mentions  INTEGER     NOT NULL,
    surface     TEXT        NOT NULL,                 -- the fullest form in that document
    context     TEXT        NOT NULL,                 -- JSON: what linking may use (names it is short for, appositions, ...)
    PRIMARY KEY (name_id, document_id)
);
CREATE INDEX name_document_by_document ON name_document (document_id);

CREATE TABLE entity (
    id          VARCHAR(64) NOT NULL,                 -- the client's id for kb entities
    workspace   VARCHAR(64) NOT NULL,
    type        VARCHAR(16) NOT NULL,
    name        TEXT        NOT NULL,
    origin      VARCHAR(8)  NOT NULL,                 -- kb, found, person
    aliases     TEXT        NOT NULL,                 -- JSON list
    identifiers TEXT        NOT NULL,                 -- JSON object
    properties  TEXT        NOT NULL,                 -- JSON object
    n_mentions  INTEGER     NOT NULL,
    n_documents INTEGER     NOT NULL,
    name_folded    TEXT,                              -- for comparing without case: storage.sql.fold
    aliases_folded TEXT,
    PRIMARY KEY (workspace, id)
);
CREATE INDEX entity_by_size ON entity (workspace, n_mentions);

CREATE TABLE entity_alias (
    workspace VARCHAR(64)  NOT NULL,
    norm      VARCHAR(255) NOT NULL,
    entity_id VARCHAR(64)  NOT NULL,
    surface   TEXT         NOT NULL,
    PRIMARY KEY (workspace, norm, entity_id)
);

CREATE TABLE name_entity (
    name_id   VARCHAR(20)      NOT NULL PRIMARY KEY,
    workspace VARCHAR(64)      NOT NULL,
    entity_id VARCHAR(64)      NOT NULL,
    score     DOUBLE PRECISION NOT NULL,
    method    VARCHAR(32)      NOT NULL               -- why: exact, alias, acronym, short form, decision, ...
);
CREATE INDEX name_entity_by_entity ON name_entity (workspace, entity_id);

-- What one document says; facts are these, grouped by the entities that their names resolve to.
CREATE TABLE finding (
    document_id  VARCHAR(20)      NOT NULL,
    ordinal      INTEGER          NOT NULL,
    workspace    VARCHAR(64)      NOT NULL,
    subject_name VARCHAR(20)      NOT NULL,
    predicate    VARCHAR(64)      NOT NULL,
    object_name  VARCHAR(20),
    object_value TEXT,
    qualifiers   TEXT             NOT NULL,           -- JSON object of text
    start_at     INTEGER          NOT NULL,
    end_at       INTEGER          NOT NULL,
    page         INTEGER,
    quote        TEXT             NOT NULL,
    component    VARCHAR(128)     NOT NULL,
    confidence   DOUBLE PRECISION NOT NULL,
    PRIMARY KEY (document_id, ordinal)
);
CREATE INDEX finding_by_subject ON finding (subject_name);
CREATE INDEX finding_by_object  ON finding (object_name);
CREATE INDEX finding_by_predicate ON finding (workspace, predicate);

-- People's corrections: append-only.
CREATE TABLE decision (
    id        VARCHAR(20) NOT NULL PRIMARY KEY,
    workspace VARCHAR(64) NOT NULL,
    sequence  INTEGER     NOT NULL,
    verb      VARCHAR(16) NOT NULL,
    subjects  TEXT        NOT NULL,                   -- JSON list
    value     TEXT,
    person    VARCHAR(128) NOT NULL,
    reason    TEXT,
    made_at   VARCHAR(32) NOT NULL
);
CREATE UNIQUE INDEX decision_in_order ON decision (workspace, sequence);

-- What is kept of each document's text to know its copies by (knowledge/copies/sketch.py).
CREATE TABLE sketch (
    document_id VARCHAR(20) NOT NULL PRIMARY KEY,
    workspace   VARCHAR(64) NOT NULL,
    version     CHAR(64)    NOT NULL,                 -- of the document whose text it is
    waiting     INTEGER     NOT NULL,                 -- 1 until it was held against the others
    data        TEXT        NOT NULL
);
CREATE INDEX sketch_waiting ON sketch (workspace, waiting, document_id);

-- What it is found by: copies share some of these.
CREATE TABLE sketch_band (
    workspace   VARCHAR(64) NOT NULL,
    band        BIGINT      NOT NULL,
    document_id VARCHAR(20) NOT NULL,
    PRIMARY KEY (workspace, band, document_id)
);

-- Two documents that say the same in the same words; the lesser id first.
CREATE TABLE copy_pair (
    workspace   VARCHAR(64)      NOT NULL,
    one         VARCHAR(20)      NOT NULL,
    other       VARCHAR(20)      NOT NULL,
    similarity  DOUBLE PRECISION NOT NULL,
    containment DOUBLE PRECISION NOT NULL,
    why         VARCHAR(16)      NOT NULL,
    PRIMARY KEY (workspace, one, other)
);
CREATE INDEX copy_pair_by_other ON copy_pair (workspace, other, one);

-- The documents that have copies, and the group of each, called by its least id: one source, however many they are.
CREATE TABLE copy_group (
    document_id VARCHAR(20) NOT NULL PRIMARY KEY,
    workspace   VARCHAR(64) NOT NULL,
    first_id    VARCHAR(20) NOT NULL
);
CREATE INDEX copy_group_by_first ON copy_group (workspace, first_id, document_id);

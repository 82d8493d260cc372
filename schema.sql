-- alertstore: the database, as it is today (version 1).
--
-- For whoever opens this file with nothing but `sqlite3`:
--   * Times are integers: microseconds since 1970-01-01 00:00 UTC. The views show them as text.
--   * Lists (tags, techniques) and objects (targeting rules, evidence) are JSON text.
--   * `event` is the history, append-only: every value in the other tables stands in an event, is committed to by one
--     (a salted SHA-256), or can be computed from such values. The other tables are what the history comes to.
--   * `occurrence.raw` holds every record exactly as the tool wrote it; `occurrence.sha256` is the SHA-256 of those bytes.
--   * Start with the views at the end: alerts, sightings, history, verdicts, refusals.

PRAGMA application_id = 0x616C7274;  -- "alrt"
PRAGMA user_version = 1;

-- The store's own settings: store_id, and what is chosen later.
CREATE TABLE setting (
  name  TEXT PRIMARY KEY NOT NULL,
  value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- The history. `body` is canonical JSON (RFC 8785); its keys are explained in alertstore/domain/events.py.
-- `hashes`: the RFC 9162 leaf hash of body, then the nodes of the Merkle tree that this leaf completes, 32 bytes each.
-- `salt` opens the event's commitments to content (title, indicators, raw bytes ...); erasing it, and only it, is allowed.
-- at, kind and alert_id repeat what body says, for indexes and for reading by hand.
CREATE TABLE event (
  seq      INTEGER PRIMARY KEY,
  at       INTEGER NOT NULL,
  kind     TEXT NOT NULL,
  alert_id INTEGER,
  salt     BLOB CHECK (length(salt) = 16),
  hashes   BLOB NOT NULL CHECK (length(hashes) >= 32),
  body     BLOB NOT NULL CHECK (length(body) <= 1048576)
) STRICT;
CREATE INDEX event_alert ON event (alert_id, seq) WHERE alert_id IS NOT NULL;
-- What was done to the store itself: who had it, what was taken out of it, under which key.
CREATE INDEX event_custody ON event (kind, seq)
WHERE kind IN ('store_created', 'store_sealed', 'store_handed_over', 'store_salvaged', 'signing_key_set', 'alert_redacted', 'record_redacted',
               'history_pruned', 'setting_changed', 'bundle_imported');
-- Events about many records or indicators at once.
CREATE INDEX event_bulk ON event (kind, seq) WHERE kind IN ('records_seen', 'indicators_enriched');

-- These stop accidents. Whoever owns the file can drop them; the tree, held against a checkpoint kept elsewhere, shows that.
CREATE TRIGGER event_in_order BEFORE INSERT ON event
WHEN NEW.seq <> 1 + coalesce((SELECT max(seq) FROM event), 0)
BEGIN SELECT raise(ABORT, 'events are numbered without gaps'); END;
CREATE TRIGGER event_kept BEFORE DELETE ON event
WHEN OLD.seq > coalesce((SELECT max(size) FROM pruned), 0)
BEGIN SELECT raise(ABORT, 'the history is append-only'); END;
CREATE TRIGGER event_unchanged BEFORE UPDATE ON event
WHEN NEW.salt IS NOT NULL OR (NEW.seq, NEW.at, NEW.kind, NEW.hashes, NEW.body) IS NOT (OLD.seq, OLD.at, OLD.kind, OLD.hashes, OLD.body)
  OR NEW.alert_id IS NOT OLD.alert_id
BEGIN SELECT raise(ABORT, 'the history is append-only'); END;

-- Where one part of an event's content was erased, the event's salt is gone, and the salts of its other parts stand here.
CREATE TABLE part_salt (
  seq  INTEGER NOT NULL,
  part TEXT NOT NULL,
  salt BLOB NOT NULL CHECK (length(salt) = 16),
  PRIMARY KEY (seq, part)
) STRICT, WITHOUT ROWID;

-- Signed checkpoints: for each size of the history that a key signed, the note that says the root it had (C2SP tlog-checkpoint in a
-- C2SP signed note). epoch: which of the store's keys signed, counted from 0; the event signing_key_set of that number names the key.
CREATE TABLE signed_checkpoint (
  size  INTEGER NOT NULL CHECK (size > 0),
  epoch INTEGER NOT NULL CHECK (epoch >= 0),
  note  TEXT NOT NULL,
  PRIMARY KEY (size, epoch)
) STRICT, WITHOUT ROWID;

-- Where the beginning of the history was pruned: how many events went, and the peaks of the tree they made, largest first, 32 bytes each.
CREATE TABLE pruned (
  size  INTEGER PRIMARY KEY,
  peaks BLOB NOT NULL
) STRICT;

-- One file (or stream) that was read. The counts are null until it was read to its end.
-- columns, delimiter: the header of a CSV or TSV file, which its records need to be read.
-- member: the member of each of its records that is the alert as its tool wrote it, where a remote hands them out wrapped.
CREATE TABLE import (
  id          INTEGER PRIMARY KEY,
  name        TEXT NOT NULL,
  source_name TEXT NOT NULL,
  columns     TEXT,
  delimiter   TEXT,
  member      TEXT,
  started_at  INTEGER NOT NULL,
  finished_at INTEGER,
  sha256      BLOB,
  size        INTEGER,
  fault       TEXT,
  new         INTEGER,
  duplicates  INTEGER,
  seen        INTEGER,
  skipped     INTEGER,
  suppressed  INTEGER,
  rejected    INTEGER,
  notes       TEXT
) STRICT;

-- Detection rules, made on first sight of an alert of theirs, or by hand. severity is the tool's own word.
CREATE TABLE detection_rule (
  id                  INTEGER PRIMARY KEY,
  uuid                TEXT NOT NULL UNIQUE,
  name                TEXT NOT NULL,
  source_rule_id      TEXT,
  source_name         TEXT,
  severity            TEXT,
  is_active           INTEGER NOT NULL CHECK (is_active IN (0, 1)),
  mitre_tactics       TEXT NOT NULL,
  mitre_techniques    TEXT NOT NULL,
  mitre_subtechniques TEXT NOT NULL,
  data_sources        TEXT NOT NULL,
  run_frequency       TEXT,
  created_by          TEXT,
  documentation       TEXT,
  created_at          INTEGER NOT NULL,
  updated_at          INTEGER NOT NULL,
  UNIQUE (source_rule_id, source_name)
) STRICT;

-- status: Open, Triaging, Escalated, Closed. severity: Pending, Informational, Low, Medium, High, Critical. enrichment_status: Pending,
-- Enriched, Failed. malice: Pending, Benign, Suspicious, Malicious. (verify, not a CHECK, holds them to it: imports stay fast.)
-- malice: malice_override, else the worst malice of the alert's indicators, else Pending.
-- predecessor: uuid of the closed alert that this one repeats. heads: register -> seqs of the edits that stand; more than one where
-- edits that did not know of each other came from several stores.
CREATE TABLE alert (
  id                     INTEGER PRIMARY KEY,
  uuid                   TEXT NOT NULL UNIQUE,
  title                  TEXT NOT NULL,
  description            TEXT,
  severity               TEXT NOT NULL,
  status                 TEXT NOT NULL,
  enrichment_status      TEXT NOT NULL,
  source_name            TEXT NOT NULL,
  detection_rule_id      INTEGER REFERENCES detection_rule,
  fingerprint            TEXT NOT NULL,
  close_classification   TEXT,
  tags                   TEXT NOT NULL,
  malice                 TEXT NOT NULL,
  malice_override        TEXT,
  malice_override_source TEXT,
  malice_override_at     INTEGER,
  duplicate_count        INTEGER NOT NULL,
  occurred_at            INTEGER NOT NULL,
  occurred_at_assumed    INTEGER NOT NULL CHECK (occurred_at_assumed IN (0, 1)),
  last_seen_at           INTEGER NOT NULL,
  created_at             INTEGER NOT NULL,
  ingested_at            INTEGER NOT NULL,
  updated_at             INTEGER NOT NULL,
  enriched_at            INTEGER,
  acknowledged_at        INTEGER,
  triaged_at             INTEGER,
  closed_at              INTEGER,
  predecessor            TEXT,
  heads                  TEXT NOT NULL DEFAULT '{"lifecycle":[]}',
  CHECK ((status = 'Closed') = (close_classification IS NOT NULL) AND (status = 'Closed') = (closed_at IS NOT NULL)),
  CHECK ((malice_override IS NULL) = (malice_override_at IS NULL))
) STRICT;
CREATE INDEX alert_occurred ON alert (occurred_at);
CREATE INDEX alert_queue ON alert (status, severity, occurred_at);
CREATE INDEX alert_rule ON alert (detection_rule_id, occurred_at);
CREATE INDEX alert_fingerprint ON alert (fingerprint, occurred_at);

-- Alerts that were deleted: the name that their history and their records still go by.
CREATE TABLE deleted_alert (
  id   INTEGER PRIMARY KEY,
  uuid TEXT NOT NULL UNIQUE
) STRICT;

-- Every record that reported an alert, one for each event alert_ingested or alert_deduplicated (same seq).
-- The identity of a record is (source_name, sha256): what comes again is not kept again. raw is null where it was redacted, and where
-- the alert came from another store without it (its event says: withheld).
CREATE TABLE occurrence (
  seq         INTEGER PRIMARY KEY,
  alert_id    INTEGER NOT NULL,
  import_id   INTEGER,
  record      INTEGER,
  source_name TEXT NOT NULL,
  occurred_at INTEGER NOT NULL,
  sha256      BLOB NOT NULL CHECK (length(sha256) = 32),
  raw         BLOB
) STRICT;
CREATE UNIQUE INDEX occurrence_identity ON occurrence (sha256, source_name);
CREATE INDEX occurrence_alert ON occurrence (alert_id, occurred_at, import_id);

-- Records that made no alert: those that could not be read, with the reason and, up to a limit, their bytes (one for each event
-- record_rejected), and those that a suppression held back (record_suppressed; suppression is its uuid, the reason their title). A record
-- that was handed over by itself, without a file, has no import, number and position.
CREATE TABLE rejected_record (
  seq         INTEGER PRIMARY KEY,
  import_id   INTEGER,
  record      INTEGER,
  position    INTEGER,
  suppression TEXT,
  reason      TEXT NOT NULL,
  size        INTEGER NOT NULL,
  sha256      BLOB NOT NULL,
  raw         BLOB
) STRICT;
CREATE INDEX rejected_import ON rejected_record (import_id);
CREATE INDEX rejected_suppressed ON rejected_record (sha256) WHERE suppression IS NOT NULL;

-- What is kept out of the queue for a while: who said so, why, and until when. kind: rule, indicator (target is its uuid) or fingerprint.
CREATE TABLE suppression (
  uuid       TEXT PRIMARY KEY,
  kind       TEXT NOT NULL CHECK (kind IN ('rule', 'indicator', 'fingerprint')),
  target     TEXT NOT NULL,
  author     TEXT NOT NULL,
  reason     TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  until      INTEGER NOT NULL,
  lifted_at  INTEGER,
  lifted_by  TEXT
) STRICT, WITHOUT ROWID;

-- One row for each (type, value) ever seen; seq is the event that first named it. When it was seen, its links say. enriched_seq: the event
-- indicators_enriched that enrichment_results are from. malice: an analyst's verdict (malice_source), else the worst of those results.
CREATE TABLE indicator (
  id                  INTEGER PRIMARY KEY,
  type                TEXT NOT NULL,
  value               TEXT NOT NULL,
  seq                 INTEGER NOT NULL,
  created_at          INTEGER NOT NULL,
  updated_at          INTEGER NOT NULL,
  malice              TEXT NOT NULL DEFAULT 'Pending' CHECK (malice IN ('Pending', 'Benign', 'Suspicious', 'Malicious')),
  malice_source       TEXT NOT NULL DEFAULT 'enrichment',
  malice_overridden_at INTEGER,
  is_enriched         INTEGER NOT NULL DEFAULT 0 CHECK (is_enriched IN (0, 1)),
  enrichment_results  TEXT,
  enriched_seq        INTEGER,
  UNIQUE (type, value)
) STRICT;

-- Which alert has which indicator, the event that said so first, and the alert's occurred_at (so that an index tells first and last).
CREATE TABLE alert_indicator (
  alert_id     INTEGER NOT NULL,
  indicator_id INTEGER NOT NULL,
  seq          INTEGER NOT NULL,
  occurred_at  INTEGER NOT NULL,
  PRIMARY KEY (alert_id, indicator_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX indicator_seen ON alert_indicator (indicator_id, occurred_at, alert_id, seq);

-- The lists that enrichment looks indicators up in, as they were read: the file's name, SHA-256 and size, how many entries were taken and
-- refused, what a hit says where the entry says nothing itself, and the SHA-256 over the entries (alertstore/domain/enrichment.py).
CREATE TABLE intel_list (
  id        INTEGER PRIMARY KEY,
  name      TEXT NOT NULL UNIQUE,
  kind      TEXT NOT NULL,
  file      TEXT NOT NULL,
  sha256    TEXT NOT NULL,
  size      INTEGER NOT NULL,
  malice    TEXT,
  entries   INTEGER NOT NULL,
  refused   INTEGER NOT NULL,
  digest    TEXT NOT NULL,
  loaded_at INTEGER NOT NULL
) STRICT;

-- Their entries. key: type:value as indicators are spelled (of a hash only its bytes), or suffix:domain, network:address/length,
-- substring:text, regex:pattern. line: where it stands in the file.
CREATE TABLE intel_entry (
  key        ANY NOT NULL,
  list_id    INTEGER NOT NULL,
  line       INTEGER NOT NULL,
  malice     TEXT,
  expires_at INTEGER,
  note       TEXT,
  PRIMARY KEY (key, list_id, line)
) STRICT, WITHOUT ROWID;

-- What people and programs found out about an alert; one for each event alert_finding_added (same seq).
CREATE TABLE finding (
  seq                INTEGER PRIMARY KEY,
  uuid               TEXT NOT NULL UNIQUE,
  alert_id           INTEGER NOT NULL,
  agent_name         TEXT NOT NULL,
  summary            TEXT NOT NULL,
  confidence         TEXT,
  recommended_action TEXT,
  evidence           TEXT,
  posted_at          INTEGER NOT NULL
) STRICT;
CREATE INDEX finding_alert ON finding (alert_id);

-- Runbooks and the like. id: the event that made it; seq: the one that committed to the present title, description and content.
CREATE TABLE context_document (
  id              INTEGER PRIMARY KEY,
  uuid            TEXT NOT NULL UNIQUE,
  title           TEXT NOT NULL,
  document_type   TEXT NOT NULL,
  is_global       INTEGER NOT NULL CHECK (is_global IN (0, 1)),
  description     TEXT,
  tags            TEXT NOT NULL,
  version         INTEGER NOT NULL,
  content         TEXT NOT NULL,
  targeting_rules TEXT,
  created_at      INTEGER NOT NULL,
  updated_at      INTEGER NOT NULL,
  seq             INTEGER NOT NULL
) STRICT;

-- What sync knows of each alert that has to do with a remote: what the remote last showed, and what is on its way there. seq: the newest
-- event alert_synced of the alert; state: the JSON that it holds, of which remote_uuid and open repeat what is looked for. open: something
-- is left to be done or decided. The row stays when the alert is deleted.
CREATE TABLE sync_alert (
  alert_id    INTEGER PRIMARY KEY,
  seq         INTEGER NOT NULL,
  remote_uuid TEXT,
  open        INTEGER NOT NULL CHECK (open IN (0, 1)),
  state       TEXT NOT NULL
) STRICT;
CREATE INDEX sync_uuid ON sync_alert (remote_uuid) WHERE remote_uuid IS NOT NULL;
CREATE INDEX sync_open ON sync_alert (alert_id) WHERE open = 1;

-- What sync knows of each remote as a whole. seq: the newest event remote_synced of that name; state: the JSON that it holds.
CREATE TABLE sync_remote (
  name  TEXT PRIMARY KEY,
  seq   INTEGER NOT NULL,
  state TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- Other uuids that alerts go by, since another store or the remote met them first; one for each event alert_aliased (same seq).
CREATE TABLE alias (
  uuid     TEXT PRIMARY KEY,
  alert_id INTEGER NOT NULL,
  seq      INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX alias_alert ON alias (alert_id);

-- Events of other stores that are kept here: event `number` of the store `store_id` is event `seq` of this one.
CREATE TABLE foreign_event (
  store_id TEXT NOT NULL,
  number   INTEGER NOT NULL,
  seq      INTEGER NOT NULL UNIQUE,
  PRIMARY KEY (store_id, number)
) STRICT, WITHOUT ROWID;

-- The longest history of each other store that a bundle proved: how many events, and the root of their tree (hex).
CREATE TABLE foreign_store (
  store_id TEXT PRIMARY KEY,
  size     INTEGER NOT NULL,
  root     TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- Full-text search over what search_text shows, kept in step with the rows in the same transaction. (A view that FTS5 reads from may
-- use no virtual table, so tags stand as the JSON they are; to a tokenizer its punctuation is nothing.)
CREATE VIEW search_text AS
SELECT a.id, a.title, a.description, a.tags,
       (SELECT group_concat(value, ' ') FROM (SELECT i.value FROM alert_indicator l CROSS JOIN indicator i ON i.id = l.indicator_id
        WHERE l.alert_id = a.id ORDER BY l.indicator_id)) AS indicators
FROM alert a;
CREATE VIRTUAL TABLE search USING fts5(title, description, tags, indicators, content='search_text', content_rowid='id');

-- Views, for people and for tools that read.

CREATE VIEW alerts AS
SELECT a.uuid, a.title, a.description, a.severity, a.status, a.close_classification, a.malice, a.source_name,
       r.source_rule_id, r.name AS detection_rule, a.tags, a.duplicate_count,
       strftime('%Y-%m-%dT%H:%M:%S', a.occurred_at / 1000000, 'unixepoch') || printf('.%06dZ', abs(a.occurred_at % 1000000)) AS occurred_at,
       strftime('%Y-%m-%dT%H:%M:%S', a.last_seen_at / 1000000, 'unixepoch') || printf('.%06dZ', abs(a.last_seen_at % 1000000)) AS last_seen_at,
       strftime('%Y-%m-%dT%H:%M:%S', a.created_at / 1000000, 'unixepoch') || printf('.%06dZ', abs(a.created_at % 1000000)) AS created_at,
       strftime('%Y-%m-%dT%H:%M:%S', a.updated_at / 1000000, 'unixepoch') || printf('.%06dZ', abs(a.updated_at % 1000000)) AS updated_at,
       strftime('%Y-%m-%dT%H:%M:%S', a.closed_at / 1000000, 'unixepoch') || printf('.%06dZ', abs(a.closed_at % 1000000)) AS closed_at,
       (SELECT group_concat(i.type || ':' || i.value, ' ') FROM alert_indicator l JOIN indicator i ON i.id = l.indicator_id WHERE l.alert_id = a.id) AS indicators
FROM alert a LEFT JOIN detection_rule r ON r.id = a.detection_rule_id;

CREATE VIEW sightings AS
SELECT i.type, i.value, i.malice, i.malice_source, a.uuid AS alert, a.title, a.severity, a.status,
       strftime('%Y-%m-%dT%H:%M:%S', a.occurred_at / 1000000, 'unixepoch') || printf('.%06dZ', abs(a.occurred_at % 1000000)) AS occurred_at
FROM indicator i JOIN alert_indicator l ON l.indicator_id = i.id JOIN alert a ON a.id = l.alert_id;

CREATE VIEW history AS
SELECT e.seq, strftime('%Y-%m-%dT%H:%M:%S', e.at / 1000000, 'unixepoch') || printf('.%06dZ', abs(e.at % 1000000)) AS at, e.kind,
       json_extract(CAST(e.body AS TEXT), '$.actor') AS actor, json_extract(CAST(e.body AS TEXT), '$.subject') AS subject,
       json_extract(CAST(e.body AS TEXT), '$.changes') AS changes, json_extract(CAST(e.body AS TEXT), '$.reason') AS reason,
       lower(hex(substr(e.hashes, 1, 32))) AS leaf, CAST(e.body AS TEXT) AS body
FROM event e;

CREATE VIEW verdicts AS
SELECT r.source_name, r.source_rule_id, r.name, count(*) AS alerts, count(a.close_classification) AS closed,
       count(*) FILTER (WHERE a.close_classification IN ('False Positive - Incorrect Detection Logic', 'False Positive - Inaccurate Data')) AS false_positives,
       count(*) FILTER (WHERE a.close_classification = 'True Positive - Suspicious Activity') AS true_positives
FROM alert a JOIN detection_rule r ON r.id = a.detection_rule_id GROUP BY r.id;

CREATE VIEW refusals AS
SELECT i.name AS file, r.record, r.position, r.reason, r.size, lower(hex(r.sha256)) AS sha256, r.raw
FROM rejected_record r LEFT JOIN import i ON i.id = r.import_id;

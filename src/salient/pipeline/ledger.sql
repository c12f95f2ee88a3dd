-- fragment: columns
id, workspace, source_key, name, parent_id, version, media_type, size_bytes, metadata, title, language, document_date, n_pages,
    n_characters, state, stage, code, reason, notes, duplicate_of, depth, attempts, owner, lease_until, added_at, updated_at

-- name: find
SELECT {columns} FROM document WHERE id = :id

-- name: find_many
SELECT {columns} FROM document WHERE id IN :ids ORDER BY id

-- name: twin
SELECT id FROM document
WHERE workspace = :workspace AND version = :version AND id <> :id AND state <> 'duplicate' AND duplicate_of IS NULL
ORDER BY added_at, id LIMIT 1

-- name: insert
INSERT INTO document (id, workspace, source_key, name, parent_id, version, media_type, size_bytes, metadata, title,
    language, document_date, n_pages, n_characters, state, stage, code, reason, notes, duplicate_of, depth, attempts,
    owner, lease_until, added_at, updated_at, name_folded)
VALUES (:id, :workspace, :source_key, :name, :parent_id, :version, NULL, :size_bytes, :metadata, NULL,
    NULL, NULL, NULL, NULL, :state, NULL, :code, :reason, '[]', :duplicate_of, :depth, 0,
    NULL, NULL, :added_at, :updated_at, :name_folded)

-- name: renew
UPDATE document SET name = :name, name_folded = :name_folded, version = :version, size_bytes = :size_bytes, metadata = :metadata, state = :state,
    stage = NULL, code = :code, reason = :reason, notes = '[]', duplicate_of = :duplicate_of, attempts = 0, owner = NULL,
    lease_until = NULL, updated_at = :updated_at
WHERE id = :id

-- name: keep_version
INSERT INTO document_version (document_id, version, size_bytes, added_at) VALUES (:document_id, :version, :size_bytes, :added_at)

-- name: has_version
SELECT 1 AS found FROM document_version WHERE document_id = :document_id AND version = :version

-- name: versions
SELECT version, size_bytes, added_at FROM document_version WHERE document_id = :document_id ORDER BY added_at, version

-- name: queued
SELECT id FROM document WHERE workspace = :workspace AND state = 'queued' ORDER BY state, id LIMIT :n

-- name: claim
UPDATE document SET state = 'running', owner = :owner, lease_until = :lease_until, attempts = attempts + 1, updated_at = :updated_at
WHERE id IN :ids AND state = 'queued'

-- name: running
SELECT id, owner, lease_until, attempts FROM document WHERE workspace = :workspace AND state = 'running' ORDER BY id

-- name: release
UPDATE document SET state = 'queued', owner = NULL, lease_until = NULL, updated_at = :updated_at
WHERE id IN :ids AND state = 'running'

-- name: unclaim
UPDATE document SET state = 'queued', owner = NULL, lease_until = NULL, attempts = attempts - 1, updated_at = :updated_at
WHERE id IN :ids AND state = 'running'

-- name: extend
UPDATE document SET lease_until = :lease_until WHERE workspace = :workspace AND state = 'running' AND owner = :owner

-- name: finish
UPDATE document SET state = :state, stage = :stage, code = :code, reason = :reason, notes = :notes, media_type = :media_type,
    title = :title, title_folded = :title_folded, language = :language, document_date = :document_date, n_pages = :n_pages, n_characters = :n_characters,
    metadata = :metadata, owner = NULL, lease_until = NULL, updated_at = :updated_at
WHERE id = :id AND version = :version

-- name: forget_stages
DELETE FROM stage_run WHERE document_id = :document_id

-- name: add_stage
INSERT INTO stage_run (document_id, stage, component, artifact, seconds, finished_at)
VALUES (:document_id, :stage, :component, :artifact, :seconds, :finished_at)

-- name: stages
SELECT stage, component, artifact, seconds, finished_at FROM stage_run WHERE document_id = :document_id ORDER BY finished_at, stage

-- name: stage_artifact
SELECT artifact FROM stage_run WHERE document_id = :document_id AND stage = :stage

-- name: counts
SELECT state, COUNT(*) AS n, COALESCE(SUM(n_pages), 0) AS n_pages FROM document WHERE workspace = :workspace GROUP BY state ORDER BY state

-- name: children
SELECT {columns} FROM document WHERE parent_id = :parent_id ORDER BY id

-- name: duplicates_of
SELECT id FROM document WHERE duplicate_of = :id ORDER BY added_at, id

-- name: ids_in_states
SELECT id FROM document WHERE workspace = :workspace AND state IN :states ORDER BY id

-- name: all_ids
SELECT id FROM document WHERE workspace = :workspace AND id > :after ORDER BY id LIMIT :n

-- name: requeue
UPDATE document SET state = 'queued', stage = NULL, code = NULL, reason = NULL, duplicate_of = NULL, attempts = 0, owner = NULL,
    lease_until = NULL, updated_at = :updated_at
WHERE id IN :ids AND state <> 'running'

-- name: delete
DELETE FROM document WHERE id IN :ids

-- name: delete_versions
DELETE FROM document_version WHERE document_id IN :ids

-- name: delete_stages
DELETE FROM stage_run WHERE document_id IN :ids

-- name: version_users
SELECT COUNT(*) AS n FROM document WHERE version = :version

-- name: failures
SELECT state, code, COUNT(*) AS n FROM document WHERE workspace = :workspace AND state IN ('failed', 'quarantined', 'unsupported')
GROUP BY state, code ORDER BY n DESC, state, COALESCE(code, '')

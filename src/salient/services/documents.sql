-- fragment: named
(:pattern IS NULL OR name_folded LIKE :pattern ESCAPE '!' OR title_folded LIKE :pattern ESCAPE '!')

-- fragment: chosen
workspace = :workspace AND state IN :states AND (:any_type = 1 OR COALESCE(media_type, '') IN :types)
    AND (:parent IS NULL OR parent_id = :parent) AND {named}

-- fragment: columns
id, workspace, source_key, name, parent_id, version, media_type, size_bytes, metadata, title, language, document_date, n_pages,
    n_characters, state, stage, code, reason, notes, duplicate_of, depth, attempts, owner, lease_until, added_at, updated_at

-- fragment: characters_of_name
LENGTH(name)
-- dialect: mysql
CHAR_LENGTH(name)

-- name: count
SELECT COUNT(*) AS n FROM document WHERE {chosen}

-- name: states
SELECT state, COUNT(*) AS n FROM document
WHERE workspace = :workspace AND (:any_type = 1 OR COALESCE(media_type, '') IN :types)
    AND (:parent IS NULL OR parent_id = :parent) AND {named}
GROUP BY state ORDER BY state

-- name: types
SELECT media_type, COUNT(*) AS n FROM document
WHERE workspace = :workspace AND state IN :states AND (:parent IS NULL OR parent_id = :parent) AND {named}
GROUP BY media_type ORDER BY n DESC, COALESCE(media_type, '')

-- name: by_added_up
SELECT {columns} FROM document WHERE {chosen}
ORDER BY added_at, id LIMIT :limit OFFSET :offset

-- name: by_added_down
SELECT {columns} FROM document WHERE {chosen}
ORDER BY added_at DESC, id DESC LIMIT :limit OFFSET :offset

-- name: by_name_up
SELECT {columns} FROM document WHERE {chosen}
ORDER BY name_folded, name, id LIMIT :limit OFFSET :offset

-- name: by_name_down
SELECT {columns} FROM document WHERE {chosen}
ORDER BY name_folded DESC, name DESC, id LIMIT :limit OFFSET :offset

-- name: by_size_up
SELECT {columns} FROM document WHERE {chosen}
ORDER BY size_bytes, id LIMIT :limit OFFSET :offset

-- name: by_size_down
SELECT {columns} FROM document WHERE {chosen}
ORDER BY size_bytes DESC, id LIMIT :limit OFFSET :offset

-- name: by_state_up
SELECT {columns} FROM document WHERE {chosen}
ORDER BY state, id LIMIT :limit OFFSET :offset

-- name: by_state_down
SELECT {columns} FROM document WHERE {chosen}
ORDER BY state DESC, id LIMIT :limit OFFSET :offset

-- name: entities
SELECT e.id AS id, e.name AS name, e.type AS type, SUM(nd.n_mentions) AS n
FROM name_document nd JOIN name_entity ne ON ne.name_id = nd.name_id
JOIN entity e ON e.workspace = ne.workspace AND e.id = ne.entity_id
WHERE nd.document_id = :id AND ne.workspace = :workspace
GROUP BY e.id, e.name, e.type ORDER BY n DESC, e.name, e.id LIMIT 200

-- name: labels
SELECT label, COUNT(*) AS n FROM mention WHERE document_id = :id GROUP BY label ORDER BY n DESC, label

-- name: n_findings
SELECT COUNT(*) AS n FROM finding WHERE document_id = :id

-- name: n_mentions
SELECT COUNT(*) AS n FROM mention WHERE document_id = :id

-- name: mentions
SELECT m.ordinal, m.start_at, m.end_at, m.label, m.surface, m.score, m.component, m.page, ne.entity_id AS entity_id, e.name AS entity_name
FROM mention m LEFT JOIN name_entity ne ON ne.name_id = m.name_id
LEFT JOIN entity e ON e.workspace = ne.workspace AND e.id = ne.entity_id
WHERE m.document_id = :id AND m.start_at >= :low AND m.start_at < :high
ORDER BY m.ordinal LIMIT :limit OFFSET :offset

-- name: suggest
SELECT id, name, title FROM document
WHERE workspace = :workspace AND state = 'done'
    AND (name_folded LIKE :pattern ESCAPE '!' OR title_folded LIKE :pattern ESCAPE '!')
ORDER BY {characters_of_name}, name, id LIMIT :limit

-- name: shared_entities
SELECT e.id AS id, e.name AS name, e.type AS type, SUM(nd.n_mentions) AS n
FROM name_document nd JOIN name_entity ne ON ne.name_id = nd.name_id
JOIN entity e ON e.workspace = ne.workspace AND e.id = ne.entity_id
WHERE ne.workspace = :workspace AND nd.document_id = :other AND e.id IN (
    SELECT ne2.entity_id FROM name_document nd2 JOIN name_entity ne2 ON ne2.name_id = nd2.name_id
    WHERE nd2.document_id = :one AND ne2.workspace = :workspace)
GROUP BY e.id, e.name, e.type ORDER BY n DESC, e.name, e.id LIMIT 8

-- name: names_of_many
-- Names in some documents.
SELECT document_id, surface FROM name_document WHERE document_id IN :ids ORDER BY document_id, name_id

-- name: meant
-- Mentions in a stretch of a document with the fullest form of their name in it.
SELECT m.start_at, m.end_at, nd.surface AS surface FROM mention m
JOIN name_document nd ON nd.name_id = m.name_id AND nd.document_id = m.document_id
WHERE m.document_id = :id AND m.start_at >= :low AND m.end_at <= :high ORDER BY m.start_at, m.end_at, m.ordinal

-- fragment: named
(:pattern IS NULL OR name_folded LIKE :pattern ESCAPE '!' OR aliases_folded LIKE :pattern ESCAPE '!')

-- fragment: chosen
workspace = :workspace AND n_mentions >= :least AND (:any_type = 1 OR type IN :types) AND (:origin IS NULL OR origin = :origin) AND {named}

-- fragment: columns
id, workspace, type, name, origin, aliases, identifiers, properties, n_mentions, n_documents

-- name: names_of
SELECT name_id FROM name_entity WHERE workspace = :workspace AND entity_id IN :ids ORDER BY name_id

-- name: entities_of_names
SELECT ne.name_id AS name_id, e.id AS id, e.name AS name, e.type AS type
FROM name_entity ne JOIN entity e ON e.workspace = ne.workspace AND e.id = ne.entity_id
WHERE ne.workspace = :workspace AND ne.name_id IN :ids ORDER BY ne.name_id

-- name: suggest
SELECT id, name, type, n_mentions FROM entity
WHERE workspace = :workspace AND n_mentions > 0 AND (name_folded LIKE :pattern ESCAPE '!' OR aliases_folded LIKE :pattern ESCAPE '!')
ORDER BY n_mentions DESC, name, id LIMIT :limit

-- name: find
SELECT {columns} FROM entity WHERE workspace = :workspace AND id = :id

-- name: find_many
SELECT {columns} FROM entity WHERE workspace = :workspace AND id IN :ids ORDER BY id

-- name: count
SELECT COUNT(*) AS n FROM entity WHERE {chosen}

-- name: types
SELECT type, COUNT(*) AS n FROM entity
WHERE workspace = :workspace AND n_mentions >= :least AND (:origin IS NULL OR origin = :origin)
    AND {named}
GROUP BY type ORDER BY n DESC, type

-- name: names
SELECT ne.name_id AS name_id, ne.score AS score, ne.method AS method, nd.surface AS surface, nd.document_id AS document_id, nd.n_mentions AS n_mentions
FROM name_entity ne JOIN name_document nd ON nd.name_id = ne.name_id
WHERE ne.workspace = :workspace AND ne.entity_id = :id ORDER BY ne.name_id, nd.document_id

-- name: documents
SELECT d.id AS id, d.name AS name, d.title AS title, d.document_date AS date, SUM(nd.n_mentions) AS n
FROM name_entity ne JOIN name_document nd ON nd.name_id = ne.name_id JOIN document d ON d.id = nd.document_id
WHERE ne.workspace = :workspace AND ne.entity_id = :id
GROUP BY d.id, d.name, d.title, d.document_date ORDER BY n DESC, d.name, d.id LIMIT 200

-- name: n_mentions
SELECT COUNT(*) AS n FROM name_entity ne JOIN mention m ON m.name_id = ne.name_id WHERE ne.workspace = :workspace AND ne.entity_id = :id

-- name: mentions
SELECT m.document_id, m.ordinal, m.start_at, m.end_at, m.label, m.surface, m.score, m.sentence_start, m.sentence_end
FROM name_entity ne JOIN mention m ON m.name_id = ne.name_id JOIN document d ON d.id = m.document_id
WHERE ne.workspace = :workspace AND ne.entity_id = :id
ORDER BY COALESCE(d.document_date, '9999'), d.name, d.id, m.ordinal LIMIT :limit OFFSET :offset

-- name: totals
SELECT COUNT(*) AS n, COALESCE(SUM(n_mentions), 0) AS n_mentions FROM entity WHERE workspace = :workspace AND n_mentions > 0

-- name: n_findings
SELECT COUNT(*) AS n FROM finding WHERE workspace = :workspace

-- name: export_entities
SELECT {columns} FROM entity WHERE workspace = :workspace AND n_mentions >= :least ORDER BY id

-- name: export_mentions
SELECT m.document_id AS document_id, d.name AS document, d.version AS version, m.start_at AS start_at, m.end_at AS end_at, m.page AS page,
    m.label AS label, m.surface AS surface, m.score AS score, m.component AS component, ne.entity_id AS entity_id, e.name AS entity
FROM document d JOIN mention m ON m.document_id = d.id
LEFT JOIN name_entity ne ON ne.name_id = m.name_id
LEFT JOIN entity e ON e.workspace = ne.workspace AND e.id = ne.entity_id
WHERE d.workspace = :workspace ORDER BY d.id, m.ordinal

-- name: export_copies
-- Documents that have copies, then those of the same bytes as another, then those others if they have no copies besides.
SELECT g.first_id AS source_id, d.id AS document_id, d.name AS document, d.version AS version
FROM copy_group g JOIN document d ON d.id = g.document_id WHERE g.workspace = :workspace
UNION ALL
SELECT COALESCE(g.first_id, d.duplicate_of), d.id, d.name, d.version
FROM document d LEFT JOIN copy_group g ON g.document_id = d.duplicate_of WHERE d.workspace = :workspace AND d.state = 'duplicate'
UNION ALL
SELECT d.id, d.id, d.name, d.version FROM document d WHERE d.workspace = :workspace
    AND EXISTS (SELECT 1 FROM document t WHERE t.duplicate_of = d.id AND t.state = 'duplicate')
    AND NOT EXISTS (SELECT 1 FROM copy_group g WHERE g.document_id = d.id)
ORDER BY source_id, document_id

-- name: by_mentions
SELECT {columns} FROM entity WHERE {chosen}
ORDER BY n_mentions DESC, name, id LIMIT :limit OFFSET :offset

-- name: by_documents
SELECT {columns} FROM entity WHERE {chosen}
ORDER BY n_documents DESC, n_mentions DESC, name, id LIMIT :limit OFFSET :offset

-- name: by_name
SELECT {columns} FROM entity WHERE {chosen}
ORDER BY name_folded, name, id LIMIT :limit OFFSET :offset

-- name: together
SELECT e.id AS id, e.name AS name, e.type AS type, COUNT(DISTINCT other.document_id) AS n
FROM name_entity mine JOIN name_document md ON md.name_id = mine.name_id
JOIN name_document other ON other.document_id = md.document_id
JOIN name_entity ne ON ne.name_id = other.name_id
JOIN entity e ON e.workspace = ne.workspace AND e.id = ne.entity_id
WHERE mine.workspace = :workspace AND mine.entity_id = :id AND e.id <> :id
GROUP BY e.id, e.name, e.type, e.n_mentions ORDER BY n DESC, e.n_mentions, e.name, e.id LIMIT 24

-- name: entity_of_subject
SELECT id AS entity_id FROM entity WHERE workspace = :workspace AND id = :id
UNION SELECT entity_id FROM name_entity WHERE workspace = :workspace AND name_id = :id ORDER BY entity_id

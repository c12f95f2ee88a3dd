-- Names of one finding are of one workspace: saying so of one side is enough, and of both misleads SQLite.

-- Documents that are copies of each other are one source, and count once.

-- fragment: edge
SELECT s.entity_id AS source, f.predicate AS predicate, o.entity_id AS target, COUNT(DISTINCT COALESCE(g.first_id, f.document_id)) AS n, MAX(f.confidence) AS confidence
FROM finding f JOIN name_entity s ON s.name_id = f.subject_name JOIN name_entity o ON o.name_id = f.object_name
LEFT JOIN copy_group g ON g.document_id = f.document_id
WHERE s.entity_id <> o.entity_id

-- name: entities
SELECT id, name, type, n_mentions FROM entity WHERE workspace = :workspace AND id IN :ids ORDER BY id

-- name: fact_edges
{edge} AND s.workspace = :workspace AND s.entity_id IN :ids
GROUP BY s.entity_id, f.predicate, o.entity_id
UNION
{edge} AND o.workspace = :workspace AND o.entity_id IN :ids
GROUP BY s.entity_id, f.predicate, o.entity_id
ORDER BY n DESC, confidence DESC, source, predicate, target

-- name: together_edges
SELECT mine.entity_id AS source, other.entity_id AS target, COUNT(DISTINCT COALESCE(g.first_id, a.document_id)) AS n
FROM name_entity mine JOIN mention a ON a.name_id = mine.name_id
JOIN mention b ON b.document_id = a.document_id AND b.sentence_start = a.sentence_start
JOIN name_entity other ON other.name_id = b.name_id AND other.workspace = mine.workspace
LEFT JOIN copy_group g ON g.document_id = a.document_id
WHERE mine.workspace = :workspace AND mine.entity_id IN :ids AND other.entity_id <> mine.entity_id
GROUP BY mine.entity_id, other.entity_id ORDER BY n DESC, source, target LIMIT :limit

-- name: together_evidence
SELECT DISTINCT a.document_id AS document_id, d.version AS version, a.sentence_start AS start_at, a.sentence_end AS end_at, a.page AS page
FROM name_entity mine JOIN mention a ON a.name_id = mine.name_id
JOIN mention b ON b.document_id = a.document_id AND b.sentence_start = a.sentence_start
JOIN name_entity other ON other.name_id = b.name_id AND other.workspace = mine.workspace
JOIN document d ON d.id = a.document_id
WHERE mine.workspace = :workspace AND mine.entity_id = :source AND other.entity_id = :target
ORDER BY a.document_id, a.sentence_start LIMIT :limit

-- name: fact_evidence
SELECT f.document_id, d.version AS version, f.start_at, f.end_at, f.page, f.quote, f.component, f.confidence
FROM finding f JOIN document d ON d.id = f.document_id
JOIN name_entity s ON s.name_id = f.subject_name JOIN name_entity o ON o.name_id = f.object_name
WHERE s.workspace = :workspace AND s.entity_id = :source AND f.predicate = :predicate AND o.entity_id = :target
ORDER BY f.confidence DESC, f.document_id, f.ordinal LIMIT :limit

-- name: all_entities
SELECT id, name, type, origin, identifiers, n_mentions, n_documents FROM entity WHERE workspace = :workspace AND n_mentions > 0 ORDER BY id

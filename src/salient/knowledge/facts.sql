-- name: count
SELECT COUNT(*) AS n FROM (
    SELECT 1 FROM finding f
    JOIN name_entity s ON s.name_id = f.subject_name
    LEFT JOIN name_entity o ON o.name_id = f.object_name
    WHERE f.workspace = :workspace AND (f.object_name IS NULL OR o.entity_id IS NOT NULL)
        AND (:entity IS NULL OR s.entity_id = :entity OR o.entity_id = :entity)
        AND (:predicate IS NULL OR f.predicate = :predicate)
    GROUP BY s.entity_id, f.predicate, o.entity_id, f.object_value) AS facts

-- name: page
SELECT s.entity_id AS subject, f.predicate AS predicate, o.entity_id AS object_entity, f.object_value AS object_value
FROM finding f
JOIN name_entity s ON s.name_id = f.subject_name
LEFT JOIN name_entity o ON o.name_id = f.object_name
WHERE f.workspace = :workspace AND (f.object_name IS NULL OR o.entity_id IS NOT NULL)
    AND (:entity IS NULL OR s.entity_id = :entity OR o.entity_id = :entity)
    AND (:predicate IS NULL OR f.predicate = :predicate)
GROUP BY s.entity_id, f.predicate, o.entity_id, f.object_value
ORDER BY COUNT(DISTINCT f.document_id) DESC, MAX(f.confidence) DESC, s.entity_id, f.predicate,
    COALESCE(o.entity_id, ''), COALESCE(f.object_value, '')
LIMIT :limit OFFSET :offset

-- name: evidence_of_value
SELECT f.document_id, d.version AS version, f.start_at, f.end_at, f.page, f.quote, f.component, f.confidence, f.qualifiers, f.subject_name, f.object_name
FROM finding f JOIN document d ON d.id = f.document_id
JOIN name_entity s ON s.name_id = f.subject_name
WHERE f.workspace = :workspace AND s.entity_id = :subject AND f.predicate = :predicate AND f.object_value = :object
ORDER BY f.confidence DESC, f.document_id, f.ordinal

-- name: evidence_of_entity
SELECT f.document_id, d.version AS version, f.start_at, f.end_at, f.page, f.quote, f.component, f.confidence, f.qualifiers, f.subject_name, f.object_name
FROM finding f JOIN document d ON d.id = f.document_id
JOIN name_entity s ON s.name_id = f.subject_name
JOIN name_entity o ON o.name_id = f.object_name
WHERE f.workspace = :workspace AND s.entity_id = :subject AND f.predicate = :predicate AND o.entity_id = :object
ORDER BY f.confidence DESC, f.document_id, f.ordinal

-- name: predicates
SELECT predicate, COUNT(*) AS n FROM (
    SELECT f.predicate AS predicate FROM finding f
    JOIN name_entity s ON s.name_id = f.subject_name
    LEFT JOIN name_entity o ON o.name_id = f.object_name
    WHERE f.workspace = :workspace AND (f.object_name IS NULL OR o.entity_id IS NOT NULL)
        AND (:entity IS NULL OR s.entity_id = :entity OR o.entity_id = :entity)
    GROUP BY s.entity_id, f.predicate, o.entity_id, f.object_value) AS facts
GROUP BY predicate ORDER BY n DESC, predicate

-- name: all_facts
SELECT s.entity_id AS subject, f.predicate AS predicate, o.entity_id AS object_entity, f.object_value AS object_value
FROM finding f
JOIN name_entity s ON s.name_id = f.subject_name
LEFT JOIN name_entity o ON o.name_id = f.object_name
WHERE f.workspace = :workspace AND (f.object_name IS NULL OR o.entity_id IS NOT NULL)
GROUP BY s.entity_id, f.predicate, o.entity_id, f.object_value
ORDER BY s.entity_id, f.predicate, COALESCE(o.entity_id, ''), COALESCE(f.object_value, '')

-- name: entity_of_name
SELECT name_id, entity_id FROM name_entity WHERE workspace = :workspace AND name_id IN :ids

-- A fact is a group of findings. The sides of a symmetric predicate are put in one order, so that "A merged
-- with B" and "B merged with A" are one fact.

-- fragment: said
SELECT CASE WHEN f.predicate IN :symmetric AND o.entity_id < s.entity_id THEN o.entity_id ELSE s.entity_id END AS subject,
    f.predicate AS predicate,
    CASE WHEN f.predicate IN :symmetric AND o.entity_id < s.entity_id THEN s.entity_id ELSE o.entity_id END AS object_entity,
    f.object_value AS object_value, f.document_id AS document_id, f.confidence AS confidence
FROM finding f
JOIN name_entity s ON s.name_id = f.subject_name
LEFT JOIN name_entity o ON o.name_id = f.object_name
WHERE f.workspace = :workspace AND (f.object_name IS NULL OR o.entity_id IS NOT NULL)

-- fragment: about
AND (:document IS NULL OR f.document_id = :document)
    AND (:entity IS NULL OR s.entity_id = :entity OR o.entity_id = :entity)

-- name: count
SELECT COUNT(*) AS n FROM (SELECT subject FROM (
    {said} {about}
    AND (:predicate IS NULL OR f.predicate = :predicate)) AS said
GROUP BY subject, predicate, object_entity, object_value) AS facts

-- name: page
SELECT subject, predicate, object_entity, object_value FROM (
    {said} {about}
    AND (:predicate IS NULL OR f.predicate = :predicate)) AS said
GROUP BY subject, predicate, object_entity, object_value
ORDER BY COUNT(DISTINCT document_id) DESC, MAX(confidence) DESC, subject, predicate, COALESCE(object_entity, ''), COALESCE(object_value, '')
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
WHERE f.workspace = :workspace AND f.predicate = :predicate
    AND ((s.entity_id = :subject AND o.entity_id = :object) OR (:mirrored = 1 AND s.entity_id = :object AND o.entity_id = :subject))
ORDER BY f.confidence DESC, f.document_id, f.ordinal

-- name: predicates
SELECT predicate, COUNT(*) AS n FROM (SELECT predicate FROM (
    {said} {about}) AS said
GROUP BY subject, predicate, object_entity, object_value) AS facts
GROUP BY predicate ORDER BY n DESC, predicate

-- name: all_facts
SELECT subject, predicate, object_entity, object_value FROM (
    {said}) AS said
GROUP BY subject, predicate, object_entity, object_value
ORDER BY subject, predicate, COALESCE(object_entity, ''), COALESCE(object_value, '')

-- name: entity_of_name
SELECT name_id, entity_id FROM name_entity WHERE workspace = :workspace AND name_id IN :ids ORDER BY name_id

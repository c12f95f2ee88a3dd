-- A fact is a group of findings. The sides of a symmetric predicate are put in one order, so that "A merged
-- with B" and "B merged with A" are one fact.

-- fragment: sides
SELECT CASE WHEN f.predicate IN :symmetric AND o.entity_id < s.entity_id THEN o.entity_id ELSE s.entity_id END AS subject,
    f.predicate AS predicate,
    CASE WHEN f.predicate IN :symmetric AND o.entity_id < s.entity_id THEN s.entity_id ELSE o.entity_id END AS object_entity,
    f.object_value AS object_value, COALESCE(g.first_id, f.document_id) AS source, f.confidence AS confidence

-- fragment: named
-- Documents that are copies of each other are one source.
LEFT JOIN copy_group g ON g.document_id = f.document_id
JOIN name_entity s ON s.name_id = f.subject_name
LEFT JOIN name_entity o ON o.name_id = f.object_name
WHERE (f.object_name IS NULL OR o.entity_id IS NOT NULL)

-- fragment: said
{sides}
FROM finding f
{named} AND f.workspace = :workspace

-- fragment: said_of
-- Findings about an entity are found by its names, on either side: an OR would read all there are.
{sides}
FROM (
    SELECT a.document_id AS document_id, a.ordinal AS ordinal FROM name_entity n JOIN finding a ON a.subject_name = n.name_id
    WHERE n.workspace = :workspace AND n.entity_id = :entity
    UNION
    SELECT b.document_id, b.ordinal FROM name_entity n JOIN finding b ON b.object_name = n.name_id
    WHERE n.workspace = :workspace AND n.entity_id = :entity) AS about
JOIN finding f ON f.document_id = about.document_id AND f.ordinal = about.ordinal
{named}

-- fragment: in_document
AND (:document IS NULL OR f.document_id = :document)

-- fragment: chosen
{in_document} AND (:predicate IS NULL OR f.predicate = :predicate)

-- fragment: one_fact
GROUP BY subject, predicate, object_entity, object_value

-- fragment: strongest_first
ORDER BY COUNT(DISTINCT source) DESC, MAX(confidence) DESC, subject, predicate, COALESCE(object_entity, ''), COALESCE(object_value, '')
LIMIT :limit OFFSET :offset

-- name: count
SELECT COUNT(*) AS n FROM (SELECT subject FROM (
    {said} {chosen}) AS said {one_fact}) AS facts

-- name: count_of_entity
SELECT COUNT(*) AS n FROM (SELECT subject FROM (
    {said_of} {chosen}) AS said {one_fact}) AS facts

-- name: page
SELECT subject, predicate, object_entity, object_value FROM (
    {said} {chosen}) AS said
{one_fact}
{strongest_first}

-- name: page_of_entity
SELECT subject, predicate, object_entity, object_value FROM (
    {said_of} {chosen}) AS said
{one_fact}
{strongest_first}

-- fragment: evidence
SELECT f.document_id, d.version AS version, f.start_at, f.end_at, f.page, f.quote, f.component, f.confidence, f.qualifiers, f.subject_name, f.object_name,
    COALESCE(g.first_id, f.document_id) AS source
FROM name_entity s JOIN finding f ON f.subject_name = s.name_id JOIN document d ON d.id = f.document_id
LEFT JOIN copy_group g ON g.document_id = f.document_id

-- name: evidence_of_value
{evidence}
WHERE s.workspace = :workspace AND s.entity_id = :subject AND f.predicate = :predicate AND f.object_value = :object
ORDER BY f.confidence DESC, f.document_id, f.ordinal

-- name: evidence_of_entity
{evidence}
JOIN name_entity o ON o.name_id = f.object_name
WHERE s.workspace = :workspace AND s.entity_id IN (:subject, :object) AND f.predicate = :predicate
    AND ((s.entity_id = :subject AND o.entity_id = :object) OR (:mirrored = 1 AND s.entity_id = :object AND o.entity_id = :subject))
ORDER BY f.confidence DESC, f.document_id, f.ordinal

-- name: predicates
SELECT predicate, COUNT(*) AS n FROM (SELECT predicate FROM (
    {said} {in_document}) AS said {one_fact}) AS facts
GROUP BY predicate ORDER BY n DESC, predicate

-- name: predicates_of_entity
SELECT predicate, COUNT(*) AS n FROM (SELECT predicate FROM (
    {said_of} {in_document}) AS said {one_fact}) AS facts
GROUP BY predicate ORDER BY n DESC, predicate

-- name: all_facts
SELECT subject, predicate, object_entity, object_value FROM (
    {said}) AS said
{one_fact}
ORDER BY subject, predicate, COALESCE(object_entity, ''), COALESCE(object_value, '')

-- name: entity_of_name
SELECT name_id, entity_id FROM name_entity WHERE workspace = :workspace AND name_id IN :ids ORDER BY name_id

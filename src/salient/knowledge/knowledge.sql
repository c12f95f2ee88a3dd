-- name: drop_mentions
DELETE FROM mention WHERE document_id = :document_id

-- name: drop_findings
DELETE FROM finding WHERE document_id = :document_id

-- name: drop_name_documents
DELETE FROM name_document WHERE document_id = :document_id

-- name: names_of_document
SELECT name_id FROM name_document WHERE document_id = :document_id ORDER BY name_id

-- name: known_names
SELECT id FROM name WHERE id IN :ids

-- name: add_name
INSERT INTO name (id, workspace, type, norm) VALUES (:id, :workspace, :type, :norm)

-- name: add_name_document
INSERT INTO name_document (name_id, document_id, n_mentions, surface, context)
VALUES (:name_id, :document_id, :n_mentions, :surface, :context)

-- name: add_mention
INSERT INTO mention (document_id, ordinal, start_at, end_at, page, label, surface, score, name_id, sentence_start, sentence_end, component)
VALUES (:document_id, :ordinal, :start, :end, :page, :label, :surface, :score, :name_id, :sentence_start, :sentence_end, :component)

-- name: add_finding
INSERT INTO finding (document_id, ordinal, workspace, subject_name, predicate, object_name, object_value, qualifiers, start_at, end_at, page, quote, component, confidence)
VALUES (:document_id, :ordinal, :workspace, :subject_name, :predicate, :object_name, :object_value, :qualifiers, :start, :end, :page, :quote, :component, :confidence)

-- name: all_names
SELECT id, type, norm FROM name WHERE workspace = :workspace

-- name: name_documents
SELECT name_id, document_id, n_mentions, surface, context FROM name_document WHERE name_id IN :ids ORDER BY name_id, document_id

-- name: links_of_names
SELECT name_id, entity_id, score, method FROM name_entity WHERE name_id IN :ids ORDER BY name_id

-- name: links_of_entities
SELECT name_id, entity_id, score, method FROM name_entity WHERE workspace = :workspace AND entity_id IN :ids ORDER BY name_id

-- name: all_links
SELECT name_id, entity_id, score, method FROM name_entity WHERE workspace = :workspace

-- name: drop_links
DELETE FROM name_entity WHERE name_id IN :ids

-- name: add_link
INSERT INTO name_entity (name_id, workspace, entity_id, score, method) VALUES (:name_id, :workspace, :entity_id, :score, :method)

-- name: drop_names
DELETE FROM name WHERE id IN :ids

-- name: entities
SELECT id, workspace, type, name, origin, aliases, identifiers, properties, n_mentions, n_documents FROM entity WHERE workspace = :workspace AND id IN :ids ORDER BY id

-- name: entity
SELECT id, workspace, type, name, origin, aliases, identifiers, properties, n_mentions, n_documents FROM entity WHERE workspace = :workspace AND id = :id

-- name: every_entity
SELECT id, workspace, type, name, origin, aliases, identifiers, properties, n_mentions, n_documents FROM entity
WHERE workspace = :workspace AND n_mentions >= :least ORDER BY id

-- name: found_ids
SELECT id FROM entity WHERE workspace = :workspace AND origin = 'found'

-- name: kb_ids
SELECT id FROM entity WHERE workspace = :workspace AND origin <> 'found' AND n_mentions > 0

-- name: drop_entities
DELETE FROM entity WHERE workspace = :workspace AND id IN :ids

-- name: add_entity
INSERT INTO entity (id, workspace, type, name, origin, aliases, identifiers, properties, n_mentions, n_documents)
VALUES (:id, :workspace, :type, :name, :origin, :aliases, :identifiers, :properties, :n_mentions, :n_documents)

-- name: all_aliases
SELECT a.norm AS norm, a.entity_id AS entity_id, a.surface AS surface, e.type AS type
FROM entity_alias a JOIN entity e ON e.workspace = a.workspace AND e.id = a.entity_id
WHERE a.workspace = :workspace ORDER BY a.entity_id, a.norm

-- name: drop_aliases
DELETE FROM entity_alias WHERE workspace = :workspace AND entity_id IN :ids

-- name: add_alias
INSERT INTO entity_alias (workspace, norm, entity_id, surface) VALUES (:workspace, :norm, :entity_id, :surface)

-- name: names_with_norms
SELECT id FROM name WHERE workspace = :workspace AND norm IN :norms ORDER BY id

-- name: decisions
SELECT id, workspace, sequence, verb, subjects, value, person, reason, made_at FROM decision WHERE workspace = :workspace ORDER BY sequence

-- name: last_decision
SELECT MAX(sequence) AS n FROM decision WHERE workspace = :workspace

-- name: add_decision
INSERT INTO decision (id, workspace, sequence, verb, subjects, value, person, reason, made_at)
VALUES (:id, :workspace, :sequence, :verb, :subjects, :value, :person, :reason, :made_at)

-- name: findings
-- Findings with the entities of their names, in the order in which they become facts. A symmetric
-- predicate's sides are put in one order.
SELECT CASE WHEN f.predicate IN :symmetric AND o.entity_id < s.entity_id THEN o.entity_id ELSE s.entity_id END AS subject,
    f.predicate AS predicate,
    CASE WHEN f.predicate IN :symmetric AND o.entity_id < s.entity_id THEN s.entity_id ELSE o.entity_id END AS object_entity,
    f.object_value AS object_value, f.qualifiers AS qualifiers, f.document_id AS document_id, f.ordinal AS ordinal, f.start_at AS start_at,
    f.end_at AS end_at, f.page AS page, f.quote AS quote, f.component AS component, f.confidence AS confidence, d.version AS version
FROM finding f
JOIN name_entity s ON s.name_id = f.subject_name
LEFT JOIN name_entity o ON o.name_id = f.object_name
JOIN document d ON d.id = f.document_id
WHERE f.workspace = :workspace AND (:predicate IS NULL OR f.predicate = :predicate) AND (f.object_name IS NULL OR o.entity_id IS NOT NULL)
ORDER BY subject, predicate, object_entity, object_value, f.document_id, f.ordinal

-- name: findings_of_entity
SELECT CASE WHEN f.predicate IN :symmetric AND o.entity_id < s.entity_id THEN o.entity_id ELSE s.entity_id END AS subject,
    f.predicate AS predicate,
    CASE WHEN f.predicate IN :symmetric AND o.entity_id < s.entity_id THEN s.entity_id ELSE o.entity_id END AS object_entity,
    f.object_value AS object_value, f.qualifiers AS qualifiers, f.document_id AS document_id, f.ordinal AS ordinal, f.start_at AS start_at,
    f.end_at AS end_at, f.page AS page, f.quote AS quote, f.component AS component, f.confidence AS confidence, d.version AS version
FROM (
    SELECT f1.document_id AS document_id, f1.ordinal AS ordinal FROM finding f1 JOIN name_entity n1 ON n1.name_id = f1.subject_name
    WHERE n1.workspace = :workspace AND n1.entity_id = :entity
    UNION
    SELECT f2.document_id, f2.ordinal FROM finding f2 JOIN name_entity n2 ON n2.name_id = f2.object_name
    WHERE n2.workspace = :workspace AND n2.entity_id = :entity
) k
JOIN finding f ON f.document_id = k.document_id AND f.ordinal = k.ordinal
JOIN name_entity s ON s.name_id = f.subject_name
LEFT JOIN name_entity o ON o.name_id = f.object_name
JOIN document d ON d.id = f.document_id
WHERE (:predicate IS NULL OR f.predicate = :predicate) AND (f.object_name IS NULL OR o.entity_id IS NOT NULL)
ORDER BY subject, predicate, object_entity, object_value, f.document_id, f.ordinal

-- name: predicates
SELECT predicate, COUNT(*) AS n FROM finding WHERE workspace = :workspace GROUP BY predicate ORDER BY n DESC, predicate

-- name: together
-- Who stands in one sentence with an entity, over its first mentions.
SELECT n2.entity_id AS entity_id, COUNT(*) AS n, COUNT(DISTINCT m2.document_id) AS n_documents
FROM (
    SELECT m.document_id AS document_id, m.sentence_start AS sentence_start FROM name_entity ne JOIN mention m ON m.name_id = ne.name_id
    WHERE ne.workspace = :workspace AND ne.entity_id = :entity
    GROUP BY m.document_id, m.sentence_start ORDER BY m.document_id, m.sentence_start LIMIT :reach
) m1
JOIN mention m2 ON m2.document_id = m1.document_id AND m2.sentence_start = m1.sentence_start
JOIN name_entity n2 ON n2.name_id = m2.name_id
WHERE n2.entity_id <> :entity
GROUP BY n2.entity_id ORDER BY n DESC, n2.entity_id LIMIT :limit

-- name: together_sentences
SELECT DISTINCT m1.document_id AS document_id, m1.sentence_start AS start_at, m1.sentence_end AS end_at, m1.page AS page, m1.component AS component, d.version AS version
FROM name_entity ne JOIN mention m1 ON m1.name_id = ne.name_id
JOIN mention m2 ON m2.document_id = m1.document_id AND m2.sentence_start = m1.sentence_start
JOIN name_entity n2 ON n2.name_id = m2.name_id
JOIN document d ON d.id = m1.document_id
WHERE ne.workspace = :workspace AND ne.entity_id = :source AND n2.entity_id = :target
ORDER BY m1.document_id, m1.sentence_start LIMIT :limit

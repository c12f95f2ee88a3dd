-- fragment: entity_columns
id, workspace, type, name, origin, aliases, identifiers, properties, n_mentions, n_documents

-- name: drop_mentions
DELETE FROM mention WHERE document_id = :document_id

-- name: drop_findings
DELETE FROM finding WHERE document_id = :document_id

-- name: drop_name_documents
DELETE FROM name_document WHERE document_id = :document_id

-- name: names_of_document
SELECT name_id FROM name_document WHERE document_id = :document_id ORDER BY name_id

-- name: known_names
SELECT id FROM name WHERE id IN :ids ORDER BY id

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
SELECT id, type, norm FROM name WHERE workspace = :workspace ORDER BY id

-- name: name_documents
SELECT name_id, document_id, n_mentions, surface, context FROM name_document WHERE name_id IN :ids ORDER BY name_id, document_id

-- name: links_of_names
SELECT name_id, entity_id, score, method FROM name_entity WHERE name_id IN :ids ORDER BY name_id

-- name: links_of_entities
SELECT name_id, entity_id, score, method FROM name_entity WHERE workspace = :workspace AND entity_id IN :ids ORDER BY name_id

-- name: all_links
SELECT name_id, entity_id, score, method FROM name_entity WHERE workspace = :workspace ORDER BY name_id

-- name: drop_links
DELETE FROM name_entity WHERE name_id IN :ids

-- name: add_link
INSERT INTO name_entity (name_id, workspace, entity_id, score, method) VALUES (:name_id, :workspace, :entity_id, :score, :method)

-- name: drop_names
DELETE FROM name WHERE id IN :ids

-- name: entities
SELECT {entity_columns} FROM entity WHERE workspace = :workspace AND id IN :ids ORDER BY id

-- name: entity
SELECT {entity_columns} FROM entity WHERE workspace = :workspace AND id = :id

-- name: every_entity
SELECT {entity_columns} FROM entity
WHERE workspace = :workspace AND n_mentions >= :least ORDER BY id

-- name: drop_entities
DELETE FROM entity WHERE workspace = :workspace AND id IN :ids

-- name: add_entity
INSERT INTO entity ({entity_columns}, name_folded, aliases_folded)
VALUES (:id, :workspace, :type, :name, :origin, :aliases, :identifiers, :properties, :n_mentions, :n_documents, :name_folded, :aliases_folded)

-- name: all_aliases
SELECT a.norm AS norm, a.entity_id AS entity_id, a.surface AS surface, e.type AS type
FROM entity_alias a JOIN entity e ON e.workspace = a.workspace AND e.id = a.entity_id
WHERE a.workspace = :workspace ORDER BY a.entity_id, a.norm

-- name: drop_aliases
DELETE FROM entity_alias WHERE workspace = :workspace AND entity_id IN :ids

-- name: add_alias
INSERT INTO entity_alias (workspace, norm, entity_id, surface) VALUES (:workspace, :norm, :entity_id, :surface)

-- name: decisions
SELECT id, workspace, sequence, verb, subjects, value, person, reason, made_at FROM decision WHERE workspace = :workspace ORDER BY sequence

-- name: last_decision
SELECT MAX(sequence) AS n FROM decision WHERE workspace = :workspace

-- name: add_decision
INSERT INTO decision (id, workspace, sequence, verb, subjects, value, person, reason, made_at)
VALUES (:id, :workspace, :sequence, :verb, :subjects, :value, :person, :reason, :made_at)

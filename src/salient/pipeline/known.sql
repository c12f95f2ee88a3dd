-- name: names
SELECT a.surface AS surface, e.type AS type FROM entity_alias a
JOIN entity e ON e.workspace = a.workspace AND e.id = a.entity_id
WHERE a.workspace = :workspace AND e.origin = 'kb' ORDER BY a.surface, e.type

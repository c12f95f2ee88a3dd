-- fragment: readable
FROM document d JOIN stage_run s ON s.document_id = d.id AND s.stage = 'annotate'
WHERE d.workspace = :workspace AND d.state = 'done' AND s.artifact IS NOT NULL

-- name: after
SELECT d.id AS id, s.artifact AS artifact, d.n_characters AS n_characters {readable} AND d.id > :after
ORDER BY d.id LIMIT :n

-- name: some
SELECT d.id AS id, s.artifact AS artifact, d.n_characters AS n_characters {readable} AND d.id IN :ids
ORDER BY d.id

-- name: newest
SELECT d.id AS id, s.artifact AS artifact, d.n_characters AS n_characters {readable}
ORDER BY d.added_at DESC, d.id LIMIT :n

-- name: extent
SELECT COUNT(*) AS n, COALESCE(SUM(d.n_characters), 0) AS n_characters {readable}

-- name: read_otherwise
SELECT d.id AS id FROM document d JOIN stage_run s ON s.document_id = d.id AND s.stage = 'read'
WHERE d.workspace = :workspace AND d.state = 'done' AND s.component <> :component ORDER BY d.id

-- name: n_findings
SELECT COUNT(*) AS n FROM finding WHERE workspace = :workspace AND component = :component

-- name: entities_called
SELECT id FROM entity
WHERE workspace = :workspace AND (id = :id OR name_folded = :folded OR aliases_folded LIKE :alias ESCAPE '!')
ORDER BY id LIMIT 50

-- name: mentions_of
SELECT m.document_id AS document_id, m.start_at AS start_at, m.end_at AS end_at
FROM name_entity ne JOIN mention m ON m.name_id = ne.name_id
WHERE ne.workspace = :workspace AND ne.entity_id IN :ids ORDER BY m.document_id, m.ordinal

-- name: add_sketch
INSERT INTO sketch (document_id, workspace, version, waiting, data) VALUES (:id, :workspace, :version, 1, :data)

-- name: sketches
SELECT document_id, version, data FROM sketch WHERE workspace = :workspace AND document_id IN :ids ORDER BY document_id

-- name: waiting
SELECT document_id, version, data FROM sketch WHERE workspace = :workspace AND waiting = 1 ORDER BY document_id LIMIT :limit

-- name: looked_up
UPDATE sketch SET waiting = 0 WHERE document_id = :id AND version = :version

-- name: drop_sketches
DELETE FROM sketch WHERE document_id IN :ids

-- name: unsketched
SELECT d.id FROM document d WHERE d.workspace = :workspace AND d.state = 'done' AND d.id > :after
    AND NOT EXISTS (SELECT 1 FROM sketch s WHERE s.document_id = d.id) ORDER BY d.id LIMIT :limit

-- name: banded
SELECT band, document_id FROM sketch_band WHERE workspace = :workspace AND band IN :bands ORDER BY band, document_id

-- name: add_band
INSERT INTO sketch_band (workspace, band, document_id) VALUES (:workspace, :band, :document_id)

-- name: drop_bands
DELETE FROM sketch_band WHERE workspace = :workspace AND band IN :bands AND document_id = :document_id

-- name: pairs_of
-- Each side by its own index: an OR would read all there are.
SELECT one, other, similarity, containment, why FROM copy_pair WHERE workspace = :workspace AND one IN :ids
UNION
SELECT one, other, similarity, containment, why FROM copy_pair WHERE workspace = :workspace AND other IN :ids
ORDER BY one, other

-- name: add_pair
INSERT INTO copy_pair (workspace, one, other, similarity, containment, why)
VALUES (:workspace, :one, :other, :similarity, :containment, :why)

-- name: drop_pair
DELETE FROM copy_pair WHERE workspace = :workspace AND one = :one AND other = :other

-- name: drop_pairs_one
DELETE FROM copy_pair WHERE workspace = :workspace AND one IN :ids

-- name: drop_pairs_other
DELETE FROM copy_pair WHERE workspace = :workspace AND other IN :ids

-- name: groups_of
SELECT document_id, first_id FROM copy_group WHERE workspace = :workspace AND document_id IN :ids ORDER BY document_id

-- name: members
SELECT document_id, first_id FROM copy_group WHERE workspace = :workspace AND first_id IN :ids ORDER BY first_id, document_id

-- name: add_member
INSERT INTO copy_group (document_id, workspace, first_id) VALUES (:document_id, :workspace, :first_id)

-- name: drop_members
DELETE FROM copy_group WHERE workspace = :workspace AND document_id IN :ids

-- name: some
SELECT document_id FROM copy_group WHERE workspace = :workspace ORDER BY document_id LIMIT 1

-- name: others
SELECT g.document_id, COUNT(*) - 1 AS n FROM copy_group g
JOIN copy_group m ON m.workspace = g.workspace AND m.first_id = g.first_id
WHERE g.workspace = :workspace AND g.document_id IN :ids GROUP BY g.document_id ORDER BY g.document_id

-- name: twins
-- Documents of the same bytes have no text of their own: they are counted where their text is.
SELECT duplicate_of AS document_id, COUNT(*) AS n FROM document WHERE workspace = :workspace AND duplicate_of IN :ids
GROUP BY duplicate_of ORDER BY duplicate_of

-- name: twins_in_groups
SELECT g.document_id, COUNT(*) AS n FROM copy_group g
JOIN copy_group m ON m.workspace = g.workspace AND m.first_id = g.first_id
JOIN document d ON d.duplicate_of = m.document_id
WHERE g.workspace = :workspace AND g.document_id IN :ids GROUP BY g.document_id ORDER BY g.document_id

-- name: twins_of
SELECT id, duplicate_of FROM document WHERE workspace = :workspace AND duplicate_of IN :ids ORDER BY id LIMIT :limit

-- name: groups
SELECT k.first_id, COUNT(*) AS n FROM (
    SELECT first_id FROM copy_group WHERE workspace = :workspace
    UNION ALL
    SELECT COALESCE(g.first_id, d.duplicate_of) FROM document d LEFT JOIN copy_group g ON g.document_id = d.duplicate_of
    WHERE d.workspace = :workspace AND d.state = 'duplicate'
    UNION ALL
    SELECT DISTINCT d.duplicate_of FROM document d WHERE d.workspace = :workspace AND d.state = 'duplicate'
        AND NOT EXISTS (SELECT 1 FROM copy_group g WHERE g.document_id = d.duplicate_of)
) k GROUP BY k.first_id ORDER BY n DESC, k.first_id LIMIT :limit OFFSET :offset

-- name: count_groups
SELECT COUNT(DISTINCT k.first_id) AS n_groups, COUNT(*) AS n_documents FROM (
    SELECT first_id FROM copy_group WHERE workspace = :workspace
    UNION ALL
    SELECT COALESCE(g.first_id, d.duplicate_of) FROM document d LEFT JOIN copy_group g ON g.document_id = d.duplicate_of
    WHERE d.workspace = :workspace AND d.state = 'duplicate'
    UNION ALL
    SELECT DISTINCT d.duplicate_of FROM document d WHERE d.workspace = :workspace AND d.state = 'duplicate'
        AND NOT EXISTS (SELECT 1 FROM copy_group g WHERE g.document_id = d.duplicate_of)
) k

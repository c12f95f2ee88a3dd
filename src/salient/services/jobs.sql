-- name: owners
SELECT owner, MAX(lease_until) AS lease_until FROM document WHERE workspace = :workspace AND state = 'running' GROUP BY owner ORDER BY owner

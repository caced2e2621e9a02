-- What operators did and what happened to accounts, keys and secrets: who, what, before, after, from where. A row of an
-- act is in the act's own commit. `before` and `after` are objects without secrets. `times`: refused sign-ins of an
-- address within a minute are one row.
CREATE TABLE audit (
    id ID NOT NULL PRIMARY KEY,
    created MICROS NOT NULL,
    action TEXT NOT NULL,
    actor TEXT NOT NULL,
    via TEXT NOT NULL,
    address TEXT NOT NULL,
    request_id TEXT NOT NULL,
    account_id TEXT NOT NULL,
    target TEXT NOT NULL,
    before JSON,
    after JSON,
    times COUNT NOT NULL DEFAULT 1
) STRICT;

CREATE INDEX audit_created ON audit (created, id);

-- The key that made this one; NULL for keys of the command line and those that an operator made for an account.
ALTER TABLE api_keys ADD COLUMN made_by ID REFERENCES api_keys (id);
CREATE INDEX api_keys_made_by ON api_keys (made_by) WHERE made_by IS NOT NULL;

-- Making keys needs a scope of its own, which so far came with billing:read: those that could do all keep it.
UPDATE api_keys SET scopes = REPLACE(scopes, ']', ', "keys:write"]')
WHERE scopes LIKE '%"images:write"%' AND scopes LIKE '%"tasks:read"%' AND scopes LIKE '%"files:write"%'
    AND scopes LIKE '%"billing:read"%' AND models IS NULL AND cap IS NULL AND daily_cap IS NULL AND expires IS NULL
    AND ips IS NULL AND rate_per_minute IS NULL AND concurrent_tasks IS NULL AND in_flight_cap IS NULL;

-- oldest program: 0.2.0
-- What an account was charged in all is a sum over its ledger lines: read from an index alone it takes milliseconds where
-- the lines themselves took seconds.

CREATE INDEX entries_used ON entries (account, kind, amount) WHERE kind IN ('charge', 'refund');

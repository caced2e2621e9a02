-- How many deliveries of each account are under way is counted at every claim.
CREATE INDEX deliveries_under_way ON deliveries (account_id) WHERE owner IS NOT NULL;

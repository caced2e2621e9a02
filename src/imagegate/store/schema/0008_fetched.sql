-- What an account had us fetch in its latest hour: one row an account, begun anew with each hour. `hour` counts hours
-- since 1970, `bytes` is what came, `held` what fetches under way may still bring.
CREATE TABLE fetched (
    account_id ID NOT NULL PRIMARY KEY REFERENCES accounts (id),
    hour COUNT NOT NULL,
    bytes COUNT NOT NULL CHECK (bytes >= 0),
    held COUNT NOT NULL CHECK (held >= 0)
) STRICT;

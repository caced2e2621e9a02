-- oldest program: 0.3.0
-- What the sweeps look for is found by an index, however much is closed. All but one of these hold open rows only.

-- The purge asks of each old task whether its webhook still waits.
CREATE INDEX deliveries_waiting ON deliveries (task_id) WHERE state = 'waiting';

-- Attempts whose sender is gone.
CREATE INDEX deliveries_lost ON deliveries (lease_until) WHERE owner IS NOT NULL;

-- Whether a receiver has deliveries left: one without any is forgotten, and its row is what deliveries refer to.
CREATE INDEX deliveries_of_host ON deliveries (host);

CREATE INDEX sessions_expiring ON sessions (expires);

-- oldest program: 0.3.0
-- What is asked of the past is read from sums of closed days: a few rows a day, however many entries there were. They
-- are made by the sweep, after the day is over, from entries and tasks alone, so that programs of before this file may
-- serve beside; the days that are not closed yet are read from the entries themselves. Days are days since 1970, UTC.

-- The days up to the last one here are closed, from the first day on and without gaps. Sums of later days are left from
-- a closing that did not end, or that a clock which was set back undid: nobody reads them. The numbers are of the tasks
-- of all accounts that ended on the day.
CREATE TABLE closed_days (
    day COUNT NOT NULL PRIMARY KEY,
    closed MICROS NOT NULL,
    completed COUNT NOT NULL,
    failed COUNT NOT NULL,
    cancelled COUNT NOT NULL
) STRICT;

-- The entries of a day, grouped; '' where an entry says nothing. Customers' entries have a key and no route, those of
-- the operator a route and no key: what customers were charged is shared by the routes that made the images, and has
-- the route '' where that was not known any more. `lines` counts each entry once, with its first share.
CREATE TABLE daily_sums (
    account TEXT NOT NULL,
    day COUNT NOT NULL,
    kind TEXT NOT NULL,
    model TEXT NOT NULL,
    key_id TEXT NOT NULL,
    route TEXT NOT NULL,
    amount NANOS NOT NULL,
    lines COUNT NOT NULL,
    images COUNT NOT NULL,
    PRIMARY KEY (account, day, kind, model, key_id, route)
) STRICT;

-- All entries of an account up to the end of a day on which it has some: their sum and number, and charges less refunds.
CREATE TABLE daily_balances (
    account TEXT NOT NULL,
    day COUNT NOT NULL,
    balance NANOS NOT NULL,
    used NANOS NOT NULL,
    lines COUNT NOT NULL,
    PRIMARY KEY (account, day)
) STRICT;

-- Of the latest two days also the operator's accounts and the calls of routes by hours since 1970, in the same way: a
-- day that is not over, and the last 24 hours, are read from them.
CREATE TABLE closed_hours (
    hour COUNT NOT NULL PRIMARY KEY,
    closed MICROS NOT NULL,
    completed COUNT NOT NULL,
    failed COUNT NOT NULL,
    cancelled COUNT NOT NULL
) STRICT;

CREATE TABLE hourly_sums (
    hour COUNT NOT NULL,
    account TEXT NOT NULL,
    kind TEXT NOT NULL,
    model TEXT NOT NULL,
    route TEXT NOT NULL,
    amount NANOS NOT NULL,
    PRIMARY KEY (hour, account, kind, model, route)
) STRICT;

CREATE TABLE route_hours (
    hour COUNT NOT NULL,
    route TEXT NOT NULL,
    calls COUNT NOT NULL,
    images COUNT NOT NULL,
    cost NANOS NOT NULL,
    produced COUNT NOT NULL,
    unknown COUNT NOT NULL,
    PRIMARY KEY (hour, route)
) STRICT;

-- Entries of an account over a time are summed from the index alone. The two that summed up all there ever was end.
DROP INDEX entries_account;
CREATE INDEX entries_account ON entries (account, created, id, kind, amount);
DROP INDEX entries_used;
DROP INDEX tasks_ended_state;

"""The ledger's tables, and the steps from each version of them to the next; in SQLite's words.

All of it is plain enough for any database: `postgres` only says its own names for the types. Credits are whole
thousandths, times seconds of the epoch.
"""

from __future__ import annotations

MIGRATIONS = (
    """
    CREATE TABLE attempts (
        id             INTEGER PRIMARY KEY,
        key            TEXT NOT NULL,
        provider       TEXT NOT NULL,
        story          TEXT NOT NULL,
        scene          TEXT NOT NULL,
        run            TEXT NOT NULL,
        model          TEXT NOT NULL,
        seconds        INTEGER NOT NULL,
        request        TEXT NOT NULL,
        state          TEXT NOT NULL CHECK (state IN ('intended', 'submitted', 'completed', 'stored',
                                                      'failed', 'refused', 'unresolved', 'abandoned')),
        quoted         INTEGER,
        charged        INTEGER,
        watermark      TEXT NOT NULL,
        job_id         TEXT,
        url            TEXT,
        last_frame_url TEXT,
        code           TEXT,
        message        TEXT,
        sha256         TEXT,
        size           INTEGER,
        intended_at    REAL NOT NULL,
        submitted_at   REAL,
        completed_at   REAL,
        stored_at      REAL,
        ended_at       REAL,
        seen_at        REAL NOT NULL
    );
    -- The two promises the database itself keeps: one live attempt a key, one attempt a job.
    CREATE UNIQUE INDEX one_live_attempt_a_key ON attempts (key)
        WHERE state IN ('intended', 'submitted', 'completed', 'stored', 'unresolved');
    CREATE UNIQUE INDEX one_attempt_a_job ON attempts (provider, job_id) WHERE job_id IS NOT NULL;
    CREATE INDEX attempts_of_a_key ON attempts (key, id);
    CREATE INDEX attempts_of_a_story ON attempts (provider, story);
    CREATE INDEX attempts_of_a_run ON attempts (run);
    CREATE INDEX attempts_by_time ON attempts (provider, intended_at);

    CREATE TABLE uploads (
        provider    TEXT NOT NULL,
        sha256      TEXT NOT NULL,
        url         TEXT NOT NULL,
        uploaded_at REAL NOT NULL,
        PRIMARY KEY (provider, sha256)
    );

    CREATE TABLE films (
        path    TEXT PRIMARY KEY,
        story   TEXT NOT NULL,
        recipe  TEXT NOT NULL,
        free    INTEGER NOT NULL,
        sha256  TEXT NOT NULL,
        size    INTEGER NOT NULL,
        seconds REAL NOT NULL,
        made_at REAL NOT NULL
    );
    """,
    """
    ALTER TABLE attempts ADD COLUMN cleaned_at REAL;
    """,
    """
    -- 1 where the provider refused the prompt's words: `request` then has them.
    ALTER TABLE attempts ADD COLUMN objected INTEGER NOT NULL DEFAULT 0;
    """,
    """
    -- How a segment begins against the one before it, as its pictures showed; both by the hash of their files.
    CREATE TABLE seams (
        before     TEXT NOT NULL,
        after      TEXT NOT NULL,
        finder     INTEGER NOT NULL,
        kind       TEXT NOT NULL,
        frames     INTEGER NOT NULL,
        seconds    TEXT NOT NULL,
        confidence REAL NOT NULL,
        found_at   REAL NOT NULL,
        PRIMARY KEY (before, after)
    );
    """,
    """
    -- What is under way or in doubt is counted before each request: a few rows of all there ever were.
    CREATE INDEX attempts_in_a_state ON attempts (provider, state);
    """,
    """
    -- What else an attempt's key was made of, so that a take can be told from others and chosen again.
    ALTER TABLE attempts ADD COLUMN take INTEGER NOT NULL DEFAULT 1;
    ALTER TABLE attempts ADD COLUMN parent TEXT;
    ALTER TABLE attempts ADD COLUMN asked TEXT;

    -- What people have chosen for a scene; the last row counts, those before it are how it came about.
    CREATE TABLE choices (
        id       INTEGER PRIMARY KEY,
        provider TEXT NOT NULL,
        edition  TEXT NOT NULL,
        scene    TEXT NOT NULL,
        take     INTEGER NOT NULL,
        prompt   TEXT,
        kept     TEXT,
        chosen_at REAL NOT NULL
    );
    CREATE INDEX choices_of_an_edition ON choices (provider, edition);

    -- What people have said of takes: the last verdict of a key counts.
    CREATE TABLE remarks (
        id       INTEGER PRIMARY KEY,
        provider TEXT NOT NULL,
        story    TEXT NOT NULL,
        scene    TEXT NOT NULL,
        key      TEXT NOT NULL,
        verdict  TEXT CHECK (verdict IN ('approved', 'rejected')),
        text     TEXT NOT NULL,
        second   REAL,
        said_at  REAL NOT NULL
    );
    CREATE INDEX remarks_of_a_story ON remarks (provider, story);
    """,
    """
    -- Which of the account's lanes a request was sent in: in one that nobody is in, what is intended is in doubt.
    ALTER TABLE attempts ADD COLUMN lane INTEGER NOT NULL DEFAULT 0;
    """,
    """
    -- The words that the story file had when a scene was chosen: where it has others, the choice is not for them.
    ALTER TABLE choices ADD COLUMN written TEXT;
    """,
    """
    -- What a cap has left is added up before each request, and who is under way counted: from the index alone, and with
    -- no row read of other runs, however many there ever were.
    DROP INDEX attempts_of_a_run;
    CREATE INDEX attempts_of_a_run ON attempts (provider, run, state, charged, quoted);
    DROP INDEX attempts_by_time;
    CREATE INDEX attempts_by_time ON attempts (provider, intended_at, state, charged, quoted);
    DROP INDEX attempts_in_a_state;
    CREATE INDEX attempts_in_a_state ON attempts (provider, state, seen_at);
    """,
)
"""Each entry takes the schema one version up; entries are only ever added."""

SHARED_MIGRATIONS = (
    """
    -- How many transactions each writer has committed: where the answer to one is lost, this tells.
    CREATE TABLE writers (
        writer TEXT PRIMARY KEY,
        number BIGINT NOT NULL,
        at     TIMESTAMPTZ NOT NULL
    );
    """,
    """
    -- What may be held by one worker at a time: how often it was claimed, and by whom it is held ('' where let go).
    CREATE TABLE claims (
        name   TEXT PRIMARY KEY,
        epoch  BIGINT NOT NULL,
        holder TEXT NOT NULL,
        at     TIMESTAMPTZ NOT NULL
    );
    """,
    """
    -- Stories that workers are to render; `options` and `outcome` are JSON.
    CREATE TABLE orders (
        id           BIGINT PRIMARY KEY,
        provider     TEXT NOT NULL,
        story        TEXT NOT NULL,
        text         TEXT NOT NULL,
        run          TEXT NOT NULL,
        cap          TEXT,
        options      TEXT NOT NULL,
        state        TEXT NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'done', 'failed', 'stopped')),
        worker       TEXT NOT NULL DEFAULT '',
        begun        BIGINT NOT NULL DEFAULT 0,
        outcome      TEXT NOT NULL DEFAULT '{}',
        ordered_at   DOUBLE PRECISION NOT NULL,
        seen_at      DOUBLE PRECISION,
        ended_at     DOUBLE PRECISION
    );
    CREATE UNIQUE INDEX one_open_order_a_story ON orders (provider, story) WHERE state = 'open';
    """,
    """
    -- Attempts that some machine knows of and this ledger does not: it was put back from a copy.
    CREATE TABLE missed (
        mark BIGINT NOT NULL
    );
    """,
)
"""The same for tables that only a ledger shared by several machines has; in PostgreSQL's words."""

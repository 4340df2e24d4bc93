-- The tables of the tracker. SCHEMA.md describes every column; a test keeps the two in step.
-- Instants are UTC text, `2025-11-03T09:15:00Z`; days are `2025-11-03`; durations are whole seconds.

CREATE TABLE app_user (
    id          INTEGER PRIMARY KEY,
    username    TEXT NOT NULL UNIQUE COLLATE NOCASE,
    name        TEXT NOT NULL,
    email       TEXT NOT NULL UNIQUE COLLATE NOCASE,
    title       TEXT,
    time_zone   TEXT NOT NULL DEFAULT 'UTC',
    active      INTEGER NOT NULL DEFAULT 1 CHECK (active IN (0, 1)),
    created_at  TEXT NOT NULL
);

CREATE TABLE project (
    id             INTEGER PRIMARY KEY,
    key            TEXT NOT NULL UNIQUE COLLATE NOCASE,
    name           TEXT NOT NULL,
    description    TEXT,
    lead_id        INTEGER NOT NULL REFERENCES app_user (id),
    issue_counter  INTEGER NOT NULL DEFAULT 0,
    created_at     TEXT NOT NULL
);

CREATE TABLE project_member (
    project_id  INTEGER NOT NULL REFERENCES project (id) ON DELETE CASCADE,
    user_id     INTEGER NOT NULL REFERENCES app_user (id) ON DELETE CASCADE,
    role        TEXT NOT NULL CHECK (role IN ('admin', 'developer', 'tester', 'designer', 'product')),
    PRIMARY KEY (project_id, user_id)
) WITHOUT ROWID;

CREATE TABLE component (
    id           INTEGER PRIMARY KEY,
    project_id   INTEGER NOT NULL REFERENCES project (id) ON DELETE CASCADE,
    name         TEXT NOT NULL COLLATE NOCASE,
    description  TEXT,
    lead_id      INTEGER REFERENCES app_user (id),
    UNIQUE (project_id, name)
);

CREATE TABLE project_version (
    id            INTEGER PRIMARY KEY,
    project_id    INTEGER NOT NULL REFERENCES project (id) ON DELETE CASCADE,
    name          TEXT NOT NULL COLLATE NOCASE,
    description   TEXT,
    released      INTEGER NOT NULL DEFAULT 0 CHECK (released IN (0, 1)),
    release_date  TEXT,
    UNIQUE (project_id, name)
);

CREATE TABLE issue_type (
    id           INTEGER PRIMARY KEY,
    name         TEXT NOT NULL UNIQUE COLLATE NOCASE,
    description  TEXT,
    is_subtask   INTEGER NOT NULL DEFAULT 0 CHECK (is_subtask IN (0, 1))
);

CREATE TABLE issue_status (
    id           INTEGER PRIMARY KEY,
    name         TEXT NOT NULL UNIQUE COLLATE NOCASE,
    category     TEXT NOT NULL COLLATE NOCASE CHECK (category IN ('To Do', 'In Progress', 'Done')),
    description  TEXT
);

CREATE TABLE issue_priority (
    id           INTEGER PRIMARY KEY,
    name         TEXT NOT NULL UNIQUE COLLATE NOCASE,
    rank         INTEGER NOT NULL UNIQUE,
    description  TEXT
);

CREATE TABLE issue_resolution (
    id           INTEGER PRIMARY KEY,
    name         TEXT NOT NULL UNIQUE COLLATE NOCASE,
    description  TEXT
);

CREATE TABLE workflow (
    id                 INTEGER PRIMARY KEY,
    name               TEXT NOT NULL UNIQUE,
    description        TEXT,
    initial_status_id  INTEGER NOT NULL REFERENCES issue_status (id)
);

CREATE TABLE workflow_transition (
    id              INTEGER PRIMARY KEY,
    workflow_id     INTEGER NOT NULL REFERENCES workflow (id) ON DELETE CASCADE,
    name            TEXT NOT NULL,
    from_status_id  INTEGER NOT NULL REFERENCES issue_status (id),
    to_status_id    INTEGER NOT NULL REFERENCES issue_status (id),
    resolution_id   INTEGER REFERENCES issue_resolution (id),
    UNIQUE (workflow_id, from_status_id, to_status_id)
);

CREATE TABLE workflow_scheme (
    project_id     INTEGER NOT NULL REFERENCES project (id) ON DELETE CASCADE,
    issue_type_id  INTEGER NOT NULL REFERENCES issue_type (id),
    workflow_id    INTEGER NOT NULL REFERENCES workflow (id),
    PRIMARY KEY (project_id, issue_type_id)
) WITHOUT ROWID;

CREATE TABLE issue (
    id                         INTEGER PRIMARY KEY AUTOINCREMENT,
    key                        TEXT NOT NULL UNIQUE COLLATE NOCASE,
    project_id                 INTEGER NOT NULL REFERENCES project (id),
    issue_type_id              INTEGER NOT NULL REFERENCES issue_type (id),
    status_id                  INTEGER NOT NULL REFERENCES issue_status (id),
    priority_id                INTEGER NOT NULL REFERENCES issue_priority (id),
    resolution_id              INTEGER REFERENCES issue_resolution (id),
    assignee_id                INTEGER REFERENCES app_user (id),
    reporter_id                INTEGER NOT NULL REFERENCES app_user (id),
    parent_id                  INTEGER REFERENCES issue (id),
    summary                    TEXT NOT NULL,
    description                TEXT,
    environment                TEXT,
    story_points               REAL,
    original_estimate_seconds  INTEGER,
    due_date                   TEXT,
    created_at                 TEXT NOT NULL,
    updated_at                 TEXT NOT NULL,
    resolved_at                TEXT
);
CREATE INDEX issue_project ON issue (project_id);
CREATE INDEX issue_parent ON issue (parent_id);

CREATE TABLE issue_label (
    id    INTEGER PRIMARY KEY,
    name  TEXT NOT NULL UNIQUE COLLATE NOCASE
);

CREATE TABLE issue_label_association (
    issue_id  INTEGER NOT NULL REFERENCES issue (id) ON DELETE CASCADE,
    label_id  INTEGER NOT NULL REFERENCES issue_label (id) ON DELETE CASCADE,
    PRIMARY KEY (issue_id, label_id)
) WITHOUT ROWID;

CREATE TABLE issue_component (
    issue_id      INTEGER NOT NULL REFERENCES issue (id) ON DELETE CASCADE,
    component_id  INTEGER NOT NULL REFERENCES component (id) ON DELETE CASCADE,
    PRIMARY KEY (issue_id, component_id)
) WITHOUT ROWID;

CREATE TABLE issue_fix_version (
    issue_id    INTEGER NOT NULL REFERENCES issue (id) ON DELETE CASCADE,
    version_id  INTEGER NOT NULL REFERENCES project_version (id) ON DELETE CASCADE,
    PRIMARY KEY (issue_id, version_id)
) WITHOUT ROWID;

CREATE TABLE issue_watcher (
    issue_id  INTEGER NOT NULL REFERENCES issue (id) ON DELETE CASCADE,
    user_id   INTEGER NOT NULL REFERENCES app_user (id) ON DELETE CASCADE,
    PRIMARY KEY (issue_id, user_id)
) WITHOUT ROWID;

CREATE TABLE comment (
    id          INTEGER PRIMARY KEY,
    issue_id    INTEGER NOT NULL REFERENCES issue (id) ON DELETE CASCADE,
    author_id   INTEGER NOT NULL REFERENCES app_user (id),
    body        TEXT NOT NULL,
    created_at  TEXT NOT NULL,
    updated_at  TEXT NOT NULL
);
CREATE INDEX comment_issue ON comment (issue_id);

CREATE TABLE worklog (
    id                  INTEGER PRIMARY KEY,
    issue_id            INTEGER NOT NULL REFERENCES issue (id) ON DELETE CASCADE,
    author_id           INTEGER NOT NULL REFERENCES app_user (id),
    time_spent_seconds  INTEGER NOT NULL CHECK (time_spent_seconds > 0),
    comment             TEXT,
    started_at          TEXT NOT NULL,
    created_at          TEXT NOT NULL
);
CREATE INDEX worklog_issue ON worklog (issue_id);

CREATE TABLE issue_link_type (
    id       INTEGER PRIMARY KEY,
    name     TEXT NOT NULL UNIQUE COLLATE NOCASE,
    outward  TEXT NOT NULL,
    inward   TEXT NOT NULL
);

-- "source OUTWARD target": with Blocks, the source blocks the target.
CREATE TABLE issue_link (
    id               INTEGER PRIMARY KEY,
    link_type_id     INTEGER NOT NULL REFERENCES issue_link_type (id),
    source_issue_id  INTEGER NOT NULL REFERENCES issue (id) ON DELETE CASCADE,
    target_issue_id  INTEGER NOT NULL REFERENCES issue (id) ON DELETE CASCADE,
    created_at       TEXT NOT NULL,
    UNIQUE (link_type_id, source_issue_id, target_issue_id),
    CHECK (source_issue_id <> target_issue_id)
);
CREATE INDEX issue_link_target ON issue_link (target_issue_id);

CREATE TABLE issue_changelog (
    id          INTEGER PRIMARY KEY,
    issue_id    INTEGER NOT NULL REFERENCES issue (id) ON DELETE CASCADE,
    author_id   INTEGER NOT NULL REFERENCES app_user (id),
    field       TEXT NOT NULL,
    old_value   TEXT,
    new_value   TEXT,
    created_at  TEXT NOT NULL
);
CREATE INDEX issue_changelog_issue ON issue_changelog (issue_id);

-- +goose Up

-- Nothing: SQLite's table of jobs gets rows, which this one has.
SELECT 1;

-- +goose Up

-- From here on the sum of a home counts attachments too: they fill the quota
-- as objects do, and every write that adds or removes a file keeps it.
UPDATE owners SET bytes = bytes + (SELECT coalesce(sum(a.size), 0) FROM attachments a WHERE a.owner = owners.owner)
WHERE owner IN (SELECT owner FROM attachments);

-- +goose Up

-- From here on uid is the UID as it is read, in which nothing is escaped: WCAP
-- looks for it so. Where two objects of a calendar would have one UID now, both
-- stay as they are; csdb check tells of them.
UPDATE objects SET uid = replace(replace(replace(replace(uid, '\\', chr(1)), '\,', ','), '\;', ';'), chr(1), '\')
WHERE component <> '' AND uid LIKE '%\%' ESCAPE '' AND NOT EXISTS (SELECT 1 FROM objects o
	WHERE o.owner = objects.owner AND o.cal = objects.cal AND o.name <> objects.name AND o.deleted = 0
		AND replace(replace(replace(replace(o.uid, '\\', chr(1)), '\,', ','), '\;', ';'), chr(1), '\') = replace(replace(replace(replace(objects.uid, '\\', chr(1)), '\,', ','), '\;', ';'), chr(1), '\'));

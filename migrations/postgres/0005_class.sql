-- +goose Up

-- A CLASS that is not known counts as PRIVATE (RFC 5545 §3.8.1.3); it was kept
-- as public. What has a CLASS in any line but one that says PUBLIC and nothing
-- else becomes private: rather too much than too little. csdb rebuild looks
-- closer.
UPDATE objects SET private = objects.private | 1
FROM bodies
WHERE bodies.owner = objects.owner AND bodies.id = objects.body AND objects.private & 3 = 0 AND objects.component <> ''
	AND strpos(replace(replace(upper(encode(bodies.data, 'escape')),
		chr(10) || 'CLASS:PUBLIC' || chr(13) || chr(10), chr(10)),
		chr(10) || 'CLASS:PUBLIC' || chr(10), chr(10)),
		chr(10) || 'CLASS') > 0;

package sqlstore

import (
	"context"

	"factotum/migrations"
)

const sqlFinished = `DELETE FROM schema_version WHERE version_id = $1`

// Finished takes away the mark of a store that was opened to be filled (Options.Unfinished),
// after all that was written before.
func (s *Store) Finished(ctx context.Context) error {
	return s.engine.write(ctx, func(c conn) error {
		return wrap("mark the store", c.exec(sqlFinished, int64(migrations.Unfinished)))
	})
}

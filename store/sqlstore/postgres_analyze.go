package sqlstore

import "context"

// New objects after which the tables are analyzed for the first time, and the
// factor and limit of the times after that.
const (
	analyzeFirst  = 200
	analyzeFactor = 4
	analyzeLast   = 100_000
)

// analyze gives the planner statistics while a new store fills up. Autovacuum
// does so too, but a minute later; an import would run with plans made for
// empty tables until then. It is called after commits.
func (e *pgEngine) analyze() {
	at := e.analyzeAt.Load()
	if at > analyzeLast || e.made.Load() < at || !e.analyzeAt.CompareAndSwap(at, at*analyzeFactor) {
		return
	}
	e.background.Go(func() {
		ctx, cancel := context.WithTimeout(context.Background(), pgPatience)
		defer cancel()
		for _, table := range []string{"objects", "occurrences", "bodies"} {
			if _, err := e.pool.Exec(ctx, "ANALYZE "+table); err != nil {
				e.opts.Log.Warn("analyze the tables", "err", pgError(err))
				return
			}
		}
	})
}

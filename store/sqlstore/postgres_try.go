package sqlstore

import (
	"context"
	"fmt"
	"strings"

	"factotum/server/calendar"

	"github.com/jackc/pgx/v5"
)

// TryPostgres connects to a database, without taking it: "config check". The
// error does not show the connection string, which may hold a password.
func TryPostgres(ctx context.Context, dsn string) error {
	config, err := pgx.ParseConfig(dsn)
	if err != nil {
		return &calendar.Error{Kind: calendar.Invalid, Op: "try PostgreSQL", Msg: "is no connection string of PostgreSQL"}
	}
	c, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		text := err.Error()
		if i := strings.LastIndex(text, ": "); i >= 0 {
			text = text[i+2:]
		}
		return &calendar.Error{Kind: calendar.Unavailable, Op: "try PostgreSQL",
			Msg: fmt.Sprintf("PostgreSQL on %s does not let us in: %s", config.Host, text)}
	}
	return c.Close(ctx)
}

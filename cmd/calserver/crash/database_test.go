package crash

import (
	"context"
	"fmt"
	"math/rand/v2"
	"syscall"
	"testing"
	"time"

	"factotum/store/storetest/pgtest"

	"github.com/jackc/pgx/v5"
)

// TestDatabaseSessionsEnd ends sessions of csstored in PostgreSQL at random
// moments, and now and then kills a server process of PostgreSQL, which makes
// it recover from its log and end all sessions. csstored lives on: what it
// remembers must be what the database has, whatever came of the transactions.
func TestDatabaseSessionsEnd(t *testing.T) {
	dsn := pgtest.Start(t)
	s := &server{address: freeAddress(t), store: "postgres " + dsn, pairs: &pairWatch{}}
	p := partProcess(t, "calserver", part{Store: s.store, HTTP: s.address})
	p.out.each = s.pairs.line
	p.start(t)
	defer p.kill(t)
	defer func() {
		if t.Failed() {
			t.Logf("calserver:\n%s", p.out.tail())
		}
	}()
	l := newLoad(s.address)
	l.provision(t)
	l.start()
	l.await(t, 50)
	ended := 0
	for n := range kills(6) {
		for i := range 5 {
			time.Sleep(time.Duration(rand.IntN(20)) * time.Millisecond)
			ended += endSession(t, dsn, n%3 == 2 && i == 4)
		}
		l.await(t, 20)
		l.finish()
		l.verify(t)
		if t.Failed() {
			t.Fatalf("after %d ended sessions", ended)
		}
		l.start()
	}
	l.finish()
	p.stop(t)
	check(t, s.store)
	t.Logf("%d sessions ended, %d writes acknowledged", ended, l.acks.Load())
}

// endSession ends one of csstored's sessions that is in a transaction; once
// with violence, which the database's other sessions do not survive either.
func endSession(t *testing.T, dsn string, violent bool) (n int) {
	ctx := context.Background()
	var c *pgx.Conn
	eventually(t, "PostgreSQL to answer", func() (err error) {
		c, err = pgx.Connect(ctx, dsn)
		return err
	})
	defer c.Close(ctx)
	var pid int
	err := c.QueryRow(ctx, `SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'csstored%'
ORDER BY state <> 'active', random() LIMIT 1`).Scan(&pid)
	if err == pgx.ErrNoRows {
		return 0
	}
	if err == nil && violent && syscall.Kill(pid, syscall.SIGKILL) == nil {
		return 1
	}
	if err == nil {
		_, err = c.Exec(ctx, fmt.Sprintf("SELECT pg_terminate_backend(%d)", pid))
	}
	if err != nil {
		t.Logf("end a session: %v", err) // the database has just been killed
		return 0
	}
	return 1
}

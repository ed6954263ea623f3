package sqlstore

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"factotum/server/calendar"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// lease is the exclusive right to serve the database, renewed every third of
// its life. The database's clock says when it expires; this process counts
// from before it asked, so that it always stops writing first.
//
// What a holder that died, or that sleeps, has sent already could still be
// committed after the lease went to another. So its sessions, which carry the
// end of its name in theirs, are ended before the lease is taken from it, or,
// where that cannot be done, waited for: see fence.
type lease struct {
	pool    *pgxpool.Pool
	log     *slog.Logger
	ttl     time.Duration
	holder  string
	until   atomic.Int64 // nanoseconds since start (monotonic)
	start   time.Time
	cancel  context.CancelFunc
	stopped chan struct{}
}

const (
	sqlNow = `cast(extract(epoch FROM clock_timestamp()) * 1000 AS BIGINT)`

	sqlTakeLease = `INSERT INTO leases (owner, holder, about, expires) VALUES ('', $1, $2, ` + sqlNow + ` + $3)
ON CONFLICT (owner) DO UPDATE SET holder = excluded.holder, about = excluded.about, expires = excluded.expires
WHERE leases.holder = $4 AND (leases.expires < ` + sqlNow + ` OR $5)`

	sqlReadLease  = `SELECT holder, about, expires, expires < ` + sqlNow + ` FROM leases WHERE owner = ''`
	sqlRenewLease = `UPDATE leases SET expires = ` + sqlNow + ` + $2 WHERE owner = '' AND holder = $1`
	sqlDropLease  = `DELETE FROM leases WHERE owner = '' AND holder = $1`
)

var errNoLeaseTable = errors.New("the database has no table of leases")

// noTable tells that a statement failed because its table is not there.
func noTable(err error) bool { return sqlState(err, "42P01") }

func sqlState(err error, code string) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && pg.Code == code
}

// acquireLease takes the lease. One that a dead process left is waited for,
// unless the process was of this machine; one that is renewed while it waits
// belongs to a daemon at work, and the store is refused.
func acquireLease(ctx context.Context, pool *pgxpool.Pool, opts *Options) (*lease, error) {
	l := &lease{pool: pool, log: opts.Log, ttl: opts.LeaseTTL, holder: processID() + "/" + opts.session, start: time.Now(),
		stopped: make(chan struct{})}
	host, _ := os.Hostname()
	about := fmt.Sprintf("pid %d on %s", os.Getpid(), host)
	replace, dead := l.holder, false
	var first int64
	for {
		asked := time.Now()
		var tag pgconn.CommandTag
		take := func(ctx context.Context, c execer) (err error) {
			tag, err = c.Exec(ctx, sqlTakeLease, l.holder, about, l.ttl.Milliseconds(), replace, dead)
			return err
		}
		var err error
		if opts.Fenced && replace != l.holder {
			err = fence(ctx, pool, take)
		} else {
			err = retrying(ctx, func() error {
				err := take(ctx, pool)
				if retryable(pgError(err)) {
					return pgError(err)
				}
				return err
			})
		}
		if err != nil {
			if noTable(err) {
				return nil, errNoLeaseTable
			}
			return nil, wrap("take the store's lease", pgError(err))
		}
		if tag.RowsAffected() == 1 {
			l.extend(asked)
			break
		}
		var holder, by string
		var expires int64
		var over bool
		err = pool.QueryRow(ctx, sqlReadLease).Scan(&holder, &by, &expires, &over)
		switch {
		case errors.Is(err, pgx.ErrNoRows):
			continue
		case err != nil:
			return nil, wrap("read the store's lease", pgError(err))
		}
		if first == 0 {
			first = expires
		}
		if dead = gone(holder); dead || over {
			if !opts.Fenced {
				if err := endSessions(ctx, pool, holder[strings.LastIndex(holder, "/")+1:], 0); err != nil {
					return nil, err
				}
			}
			replace = holder
			continue
		}
		if expires > first {
			return nil, &calendar.Error{Kind: calendar.Unavailable, Op: "open the store",
				Msg: fmt.Sprintf("Another csstored (%s) serves this database. Stop it first.", by)}
		}
		select {
		case <-time.After(l.ttl / 15):
		case <-ctx.Done():
			return nil, wrap("wait for the store's lease", ctx.Err())
		}
	}
	var renew context.Context
	renew, l.cancel = context.WithCancel(context.Background())
	go l.keep(renew)
	return l, nil
}

const (
	sqlEndSessions = `SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND right(application_name, length(cast($1 AS TEXT))) = $1 AND ($2 = 0 OR pid = $2)`
	sessionPause = 5 * time.Millisecond
)

// endSessions ends the sessions with that mark, or only the one that pid says,
// and waits until they are gone: what they sent is committed then, or never.
func endSessions(ctx context.Context, pool *pgxpool.Pool, mark string, pid uint32) error {
	ctx, cancel := context.WithTimeout(ctx, pgPatience)
	defer cancel()
	for len(mark) == markLength {
		var left int
		if err := pool.QueryRow(ctx, sqlEndSessions, mark, int32(pid)).Scan(&left); err != nil {
			return wrap("end sessions", pgError(err))
		}
		if left == 0 {
			break
		}
		select {
		case <-time.After(sessionPause):
		case <-ctx.Done():
			return wrap("wait for sessions to end", ctx.Err())
		}
	}
	return nil
}

// markLength is the length of a mark, a text of rand.Text that no other
// process has.
const markLength = 26

// markSessions puts the mark at the end of the name that the server shows for
// the sessions; it cuts names at 63 octets.
func markSessions(name, mark string) string {
	if name == "" {
		name = "csstored"
	}
	return strings.ToValidUTF8(name[:min(len(name), 62-len(mark))], "") + " " + mark
}

func (l *lease) extend(asked time.Time) { l.until.Store(int64(asked.Add(l.ttl).Sub(l.start))) }

// keep renews the lease until it is released. What fails is tried again: the
// lease counts as lost only when its time is up, and is then taken back when
// nobody else has it.
func (l *lease) keep(ctx context.Context) {
	defer close(l.stopped)
	pause := l.ttl / 3
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
		asked := time.Now()
		limited, cancel := context.WithTimeout(ctx, l.ttl/3)
		tag, err := l.pool.Exec(limited, sqlRenewLease, l.holder, l.ttl.Milliseconds())
		cancel()
		pause = l.ttl / 3
		switch {
		case err != nil:
			if ctx.Err() == nil {
				l.log.Warn("renew the store's lease", "err", pgError(err))
			}
			pause = l.ttl / 15
		case tag.RowsAffected() == 0:
			l.until.Store(0)
			l.log.Error("another process has taken the store's lease")
		default:
			l.extend(asked)
		}
	}
}

// held is nil while this process may write. A tenth of the lease's life is
// kept back for clocks that run at different speeds and a commit on its way.
func (l *lease) held() error {
	if time.Since(l.start) < time.Duration(l.until.Load())-l.ttl/10 {
		return nil
	}
	return &calendar.Error{Kind: calendar.Unavailable, Op: "write", Err: errors.New("the lease of the database is not held")}
}

func (l *lease) release() {
	l.cancel()
	<-l.stopped
	ctx, cancel := context.WithTimeout(context.Background(), l.ttl/3)
	defer cancel()
	if _, err := l.pool.Exec(ctx, sqlDropLease, l.holder); err != nil && !noTable(err) {
		l.log.Warn("release the store's lease", "err", pgError(err))
	}
}

// processID names this process among those whose end it could see: the boot,
// the process name space, the pid.
func processID() string {
	boot, _ := os.ReadFile("/proc/sys/kernel/random/boot_id")
	space, _ := os.Readlink("/proc/self/ns/pid")
	return strings.TrimSpace(string(boot)) + "/" + space + "/" + strconv.Itoa(os.Getpid())
}

// gone tells whether the holder was a process of this boot and name space
// that has ended.
func gone(holder string) bool {
	theirs, ours := strings.Split(holder, "/"), strings.Split(processID(), "/")
	if len(theirs) != 4 || theirs[0] == "" || theirs[0] != ours[0] || theirs[1] == "" || theirs[1] != ours[1] {
		return false
	}
	pid, err := strconv.Atoi(theirs[2])
	return err == nil && errors.Is(syscall.Kill(pid, 0), syscall.ESRCH)
}

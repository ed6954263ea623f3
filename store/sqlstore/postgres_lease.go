package sqlstore

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"factotum/server/calendar"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// lease is the exclusive right to serve the database, renewed five times in
// its life on a connection of its own, which nobody else can hang. The
// database's clock says when it expires; this process counts from before it
// asked, so that it always stops first: writing, and reading from memory too,
// since others may have written then.
//
// What a holder that died, or that sleeps, has sent already could still be
// committed after the lease went to another. So its sessions, which carry the
// end of its name in theirs, are ended before the lease is taken from it, or,
// where that cannot be done, waited for: see fence.
type lease struct {
	pool    *pgxpool.Pool
	own     *pgx.Conn // for keep alone; nil or closed: it makes another
	opts    *Options
	ttl     time.Duration
	holder  string
	asked   atomic.Pointer[time.Time] // when the lease in force was asked for; nil: it is another's
	told    atomic.Int64              // when that was answered, in Unix nanoseconds
	prove   chan struct{}             // asks for a renewal now
	cancel  context.CancelFunc
	stopped chan struct{}

	mu     sync.Mutex
	health Health
	failed int // renewals in a row that were not answered
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
	l := &lease{pool: pool, opts: opts, ttl: opts.LeaseTTL, holder: processID() + "/" + opts.session,
		health: Health{Since: opts.Now()}, stopped: make(chan struct{}), prove: make(chan struct{}, 1)}
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
			l.holds(asked)
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
			return nil, &calendar.Error{Kind: calendar.Unavailable, Reason: calendar.NotActive, Op: "open the store",
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

// keep renews the lease until it is released. What fails is tried again: the
// lease counts as lost only when its time is up, and is then taken back when
// nobody else has had it.
func (l *lease) keep(ctx context.Context) {
	defer close(l.stopped)
	defer l.hangUp()
	pause := l.ttl / 5
	for {
		select {
		case <-ctx.Done():
			return
		case <-l.prove:
		case <-time.After(pause):
		}
		asked := time.Now()
		ours, err := l.renew(ctx)
		if ctx.Err() != nil {
			return
		}
		pause = l.ttl / 5
		switch {
		case err != nil:
			if l.failed++; l.failed > 1 { // one may have met a connection that hung
				l.report(Health{Err: &calendar.Error{Kind: calendar.Unavailable, Op: "reach the database",
					Msg: "PostgreSQL does not answer.", Err: pgError(err)}})
				pause = l.ttl / 15
			} else {
				pause = 0
			}
			continue
		case !ours:
			l.asked.Store(nil)
			l.report(Health{Taken: true, Err: errLeaseTaken})
			l.await(ctx)
			return
		}
		l.holds(asked)
		l.failed = 0
		l.report(Health{})
	}
}

// holds notes that the lease that was asked for then is this process's.
func (l *lease) holds(asked time.Time) {
	l.told.Store(time.Now().UnixNano())
	l.asked.Store(&asked)
}

// othersTurn is for how long others may be answered after the lease: a server that was slow
// for all answers them one by one.
const othersTurn = hungFor / 2

// provedAfter tells whether a renewal that was asked for after a moment has been
// committed; if not it asks for one.
func (l *lease) provedAfter(t time.Time) bool {
	if asked := l.asked.Load(); asked != nil && asked.After(t) {
		return time.Since(time.Unix(0, l.told.Load())) > othersTurn
	}
	select {
	case l.prove <- struct{}{}:
	default:
	}
	return false
}

// renew asks for the lease on the connection that only it uses.
func (l *lease) renew(ctx context.Context) (ours bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, l.ttl/7)
	defer cancel()
	if err := l.connect(ctx); err != nil {
		return false, err
	}
	tag, err := l.own.Exec(ctx, sqlRenewLease, l.holder, l.ttl.Milliseconds())
	return tag.RowsAffected() > 0, err
}

func (l *lease) connect(ctx context.Context) (err error) {
	if l.own != nil && !l.own.IsClosed() {
		return nil
	}
	l.own, err = pgx.ConnectConfig(ctx, l.pool.Config().ConnConfig)
	return err
}

func (l *lease) hangUp() {
	if l.own == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	l.own.Close(ctx)
}

// await waits until whoever has taken the lease is gone. What this process
// remembers is of no use then: it asks to be started anew.
func (l *lease) await(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(l.ttl / 5):
		}
		free, err := l.free(ctx)
		if err == nil && free && ctx.Err() == nil {
			l.opts.Failed(fmt.Errorf("%w, and is gone: a new start is needed", errLeaseTaken))
			return
		}
	}
}

func (l *lease) free(ctx context.Context) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, l.ttl/7)
	defer cancel()
	if err := l.connect(ctx); err != nil {
		return false, err
	}
	var holder, by string
	var expires int64
	var over bool
	err := l.own.QueryRow(ctx, sqlReadLease).Scan(&holder, &by, &expires, &over)
	if errors.Is(err, pgx.ErrNoRows) || noTable(err) {
		return true, nil
	}
	return over || gone(holder), err
}

var errLeaseTaken = &calendar.Error{Kind: calendar.Unavailable, Op: "serve the database",
	Msg: "Another csstored has taken over this database."}

// report notes how the database gets on, and logs when that changes.
func (l *lease) report(h Health) {
	l.mu.Lock()
	was := l.health
	same := (h.Err == nil) == (was.Err == nil) && h.Taken == was.Taken
	h.Since = l.opts.Now()
	if same {
		h.Since = was.Since
	}
	l.health = h
	l.mu.Unlock()
	switch {
	case same:
	case h.Taken:
		l.opts.Log.Error("another process has taken the store's lease: nothing is answered any more")
	case h.Err != nil:
		l.opts.Log.Error("PostgreSQL does not answer", "err", h.Err)
	default:
		l.opts.Log.Warn("PostgreSQL answers again", "dur", h.Since.Sub(was.Since))
	}
}

// state is how the database gets on.
func (l *lease) state() Health {
	l.mu.Lock()
	h := l.health
	l.mu.Unlock()
	if err := l.held(); err != nil && h.Err == nil {
		h.Err = err
	}
	return h
}

// held is nil while this process may write, and answer from what it remembers.
// A tenth of the lease's life is kept back for clocks that run at different
// speeds and a commit on its way.
func (l *lease) held() error {
	asked := l.asked.Load()
	if asked == nil {
		return errLeaseTaken
	}
	if age(*asked, time.Now()) < l.ttl-l.ttl/10 {
		return nil
	}
	return &calendar.Error{Kind: calendar.Unavailable, Op: "serve the database", Msg: "PostgreSQL does not answer.",
		Err: errors.New("the lease of the database has run out")}
}

// age is how long ago a moment was: the longer of what both clocks say, since
// the monotonic one stands still while the machine sleeps, and the other may be
// set back.
func age(then, now time.Time) time.Duration {
	return max(now.Sub(then), now.Round(0).Sub(then.Round(0)))
}

func (l *lease) release() {
	l.cancel()
	<-l.stopped
	ctx, cancel := context.WithTimeout(context.Background(), l.ttl/5)
	defer cancel()
	if _, err := l.pool.Exec(ctx, sqlDropLease, l.holder); err != nil && !noTable(err) {
		l.opts.Log.Warn("release the store's lease", "err", pgError(err))
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

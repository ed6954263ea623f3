package directory

import (
	"bufio"
	"bytes"
	"cmp"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"factotum/server/calendar"
)

// AppPassword is a password of one device or program: it opens the calendar
// and nothing else, and can be revoked alone. The secret itself is shown once.
type AppPassword struct {
	ID       string          `json:"id"`
	User     calendar.UserID `json:"user"`
	Entry    string          `json:"entry,omitempty"` // calendar.Person.Entry: it opens nothing of who has the name later
	Label    string          `json:"label"`
	Hash     string          `json:"sha256"` // hex; the secret is random, so a fast hash is enough
	Created  time.Time       `json:"created"`
	LastUsed time.Time       `json:"last_used,omitzero"` // to the hour
}

// AppPasswords keeps app passwords in a file beside the directory: one JSON
// object a line, mode 0600, replaced whole under a lock so that the tools and
// the server can both write. The token is "app-", eight characters that find
// the line, "-", and 26 that are the secret (128 bits).
type AppPasswords struct {
	path string
	log  *slog.Logger
	now  func() time.Time

	gen     atomic.Uint64 // changes when passwords come or go
	watched watched
	reading sync.Mutex // one reads a changed file
	mu      sync.RWMutex
	byID    map[string]*appRecord
	seen    stamp

	stop, done chan struct{}
	once       sync.Once
}

type appRecord struct {
	AppPassword
	hash [sha256.Size]byte
	used atomic.Int64 // unix seconds, not yet in the file

	// whose is the entry of who used it first, where it was made before the
	// directory's entries were noted; not yet in the file.
	whose atomic.Pointer[string]
}

// lastUse is the last use that this process saw, or the zero time.
func (r *appRecord) lastUse() time.Time {
	if u := r.used.Load(); u > 0 {
		return time.Unix(u, 0).UTC()
	}
	return time.Time{}
}

// Limits on app passwords.
const (
	maxAppLabel   = 200
	maxAppsOfUser = 100
	appFlush      = 5 * time.Minute
	appPoll       = 2 * time.Second
)

// AppPasswordsPath is where app passwords are kept for an LDIF file.
func AppPasswordsPath(ldif string) string { return ldif + ".apppasswords" }

// OpenAppPasswords reads the file; one that is not there is empty. Close ends
// the watch over it.
func OpenAppPasswords(path string, log *slog.Logger) (*AppPasswords, error) {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	a := &AppPasswords{
		path: path, log: log, now: time.Now, byID: map[string]*appRecord{}, watched: watched{fresh: freshly},
		stop: make(chan struct{}), done: make(chan struct{}),
	}
	if err := a.reload(); err != nil {
		return nil, err
	}
	go a.watch()
	return a, nil
}

func (a *AppPasswords) watch() {
	defer close(a.done)
	poll, flush := time.NewTicker(appPoll), time.NewTicker(appFlush)
	defer poll.Stop()
	defer flush.Stop()
	for {
		select {
		case <-a.stop:
			return
		case <-poll.C:
			a.poll()
		case <-flush.C:
			if err := a.flush(); err != nil {
				a.log.Error("write app passwords", "path", a.path, "err", err)
			}
		}
	}
}

// poll reads a changed file; whoever comes meanwhile waits for that.
func (a *AppPasswords) poll() {
	defer a.watched.looked(time.Now())
	now, err := stampOf(a.path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return
	}
	same := func() bool {
		a.mu.RLock()
		defer a.mu.RUnlock()
		return now == a.seen
	}
	if same() {
		return
	}
	a.reading.Lock()
	defer a.reading.Unlock()
	if same() {
		return
	}
	if err := a.reload(); err != nil {
		a.log.Error("app passwords not read, the old ones stay", "path", a.path, "err", err)
		a.mu.Lock()
		a.seen = now // a broken file is told once
		a.mu.Unlock()
	}
}

// Close writes what is not yet in the file and ends the watch.
func (a *AppPasswords) Close() error {
	a.once.Do(func() { close(a.stop) })
	<-a.done
	return a.flush()
}

// look is poll for those who are about to let somebody in: what csuser did a
// moment ago counts. It costs one look at the file's date.
func (a *AppPasswords) look() { a.poll() }

// glance is look, unless that was done just now.
func (a *AppPasswords) glance(now time.Time) {
	if a.watched.due(now) {
		a.look()
	}
}

func (a *AppPasswords) reload() error {
	list, st, err := readAppFile(a.path)
	if err != nil {
		return err
	}
	a.take(list, st)
	return nil
}

func readAppFile(path string) (list []AppPassword, st stamp, err error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, stamp{}, nil
	}
	if err != nil {
		return nil, st, fmt.Errorf("open app passwords: %w", err)
	}
	defer f.Close()
	fi, err := f.Stat()
	if err != nil {
		return nil, st, fmt.Errorf("stat app passwords: %w", err)
	}
	sc := bufio.NewScanner(f)
	for line := 1; sc.Scan(); line++ {
		if len(bytes.TrimSpace(sc.Bytes())) == 0 {
			continue
		}
		var p AppPassword
		if err := json.Unmarshal(sc.Bytes(), &p); err != nil {
			return nil, st, fmt.Errorf("read app passwords: %s line %d: %w", path, line, err)
		}
		if raw, err := hex.DecodeString(p.Hash); err != nil || len(raw) != sha256.Size || p.ID == "" || p.User == "" {
			return nil, st, fmt.Errorf("read app passwords: %s line %d: id, user or sha256 is not right", path, line)
		}
		list = append(list, p)
	}
	if err := sc.Err(); err != nil {
		return nil, st, fmt.Errorf("read app passwords: %w", err)
	}
	return list, fileStamp(fi), nil
}

// take makes a list the current one. Uses not yet written are carried over.
func (a *AppPasswords) take(list []AppPassword, st stamp) {
	byID := make(map[string]*appRecord, len(list))
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, p := range list {
		r := &appRecord{AppPassword: p}
		hex.Decode(r.hash[:], []byte(p.Hash)) // checked when read
		if old := a.byID[p.ID]; old != nil {
			r.used.Store(old.used.Load())
			r.whose.Store(old.whose.Load())
		}
		byID[p.ID] = r
	}
	a.byID, a.seen = byID, st
	a.gen.Add(1)
}

// update changes the file under its lock: what others wrote meanwhile stays.
func (a *AppPasswords) update(change func(list []AppPassword) ([]AppPassword, error)) error {
	unlock, err := lockFile(a.path)
	if err != nil {
		return err
	}
	defer unlock()
	list, _, err := readAppFile(a.path)
	if err != nil {
		return err
	}
	if list, err = change(list); err != nil {
		return err
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	for _, p := range list {
		if err := enc.Encode(p); err != nil {
			return fmt.Errorf("write app passwords: %w", err)
		}
	}
	if err := replaceFile(a.path, b.Bytes(), 0o600); err != nil {
		return err
	}
	st, err := stampOf(a.path)
	if err != nil {
		return fmt.Errorf("stat app passwords: %w", err)
	}
	a.take(list, st)
	return nil
}

// Create makes an app password for a user and returns it with its token,
// which is not kept.
func (a *AppPasswords) Create(user calendar.UserID, label string) (AppPassword, string, error) {
	return a.CreateFor(calendar.Person{ID: user}, label)
}

// CreateFor is Create for somebody whom the directory tells from another one who
// is given his name later.
func (a *AppPasswords) CreateFor(person calendar.Person, label string) (AppPassword, string, error) {
	user := person.ID
	label = strings.TrimSpace(label)
	if err := calendar.CheckOwner(calendar.Owner(user)); err != nil {
		return AppPassword{}, "", &calendar.Error{Kind: calendar.Invalid, Op: "create app password", Ref: user, Msg: err.Error()}
	}
	if len(label) > maxAppLabel || badText(label) {
		return AppPassword{}, "", &calendar.Error{Kind: calendar.Invalid, Op: "create app password",
			Msg: fmt.Sprintf("a label has at most %d octets and no control characters", maxAppLabel)}
	}
	id, secret := randomText(8), randomText(26)
	token := appPrefix + id + "-" + secret
	hash := sha256.Sum256([]byte(token))
	p := AppPassword{
		ID: id, User: fold(user), Entry: person.Entry, Label: label, Hash: hex.EncodeToString(hash[:]),
		Created: a.now().UTC().Truncate(time.Second),
	}
	err := a.update(func(list []AppPassword) ([]AppPassword, error) {
		n := 0
		for _, q := range list {
			if q.User == p.User {
				n++
			}
		}
		if n >= maxAppsOfUser {
			return nil, &calendar.Error{Kind: calendar.TooMany, Op: "create app password", Ref: user,
				Msg: fmt.Sprintf("a user has at most %d app passwords; revoke old ones", maxAppsOfUser)}
		}
		return append(list, p), nil
	})
	if err != nil {
		return AppPassword{}, "", err
	}
	return p, token, nil
}

// Revoke removes an app password of a user. NotFound if there is none of that id.
func (a *AppPasswords) Revoke(user calendar.UserID, id string) error {
	return a.update(func(list []AppPassword) ([]AppPassword, error) {
		out := slices.DeleteFunc(slices.Clone(list), func(p AppPassword) bool { return p.ID == id && p.User == fold(user) })
		if len(out) == len(list) {
			return nil, &calendar.Error{Kind: calendar.NotFound, Op: "revoke app password", Ref: id}
		}
		return out, nil
	})
}

// RevokeAll removes all of a user, when the user is deleted.
func (a *AppPasswords) RevokeAll(user calendar.UserID) error {
	return a.update(func(list []AppPassword) ([]AppPassword, error) {
		return slices.DeleteFunc(list, func(p AppPassword) bool { return p.User == fold(user) }), nil
	})
}

// List returns the app passwords of a user, oldest first, without hashes.
func (a *AppPasswords) List(user calendar.UserID) []AppPassword {
	a.mu.RLock()
	defer a.mu.RUnlock()
	var out []AppPassword
	for _, r := range a.byID {
		if r.User == fold(user) {
			p := r.AppPassword
			p.Hash = ""
			if u := r.lastUse(); u.After(p.LastUsed) {
				p.LastUsed = u
			}
			out = append(out, p)
		}
	}
	slices.SortFunc(out, func(x, y AppPassword) int {
		return cmp.Or(x.Created.Compare(y.Created), cmp.Compare(x.ID, y.ID))
	})
	return out
}

const appPrefix = "app-"

// isToken tells whether a password can only be one that Create has made, now or
// before it was revoked: nobody chooses such a one.
func isToken(password string) bool {
	id, secret, ok := strings.Cut(strings.TrimPrefix(password, appPrefix), "-")
	return ok && strings.HasPrefix(password, appPrefix) && len(id) == 8 && len(secret) == 26 && strings.Trim(id+secret, readable) == ""
}

// check finds the user whose token this is.
func (a *AppPasswords) check(token string) (user calendar.UserID, id string, ok bool) {
	rest, ok := strings.CutPrefix(token, appPrefix)
	if !ok {
		return "", "", false
	}
	id, _, ok = strings.Cut(rest, "-")
	if !ok {
		return "", "", false
	}
	a.mu.RLock()
	r := a.byID[id]
	a.mu.RUnlock()
	if r == nil {
		return "", "", false
	}
	sum := sha256.Sum256([]byte(token))
	if subtle.ConstantTimeCompare(sum[:], r.hash[:]) != 1 {
		return "", "", false
	}
	a.used(id, a.now())
	return r.User, id, true
}

// entry is the one that an app password was made for.
func (a *AppPasswords) entry(id string) string {
	a.mu.RLock()
	defer a.mu.RUnlock()
	r := a.byID[id]
	switch {
	case r == nil:
		return ""
	case r.Entry != "":
		return r.Entry
	}
	if whose := r.whose.Load(); whose != nil {
		return *whose
	}
	return ""
}

// isOf notes for whom an app password is that was made before entries were noted.
func (a *AppPasswords) isOf(id, entry string) {
	a.mu.RLock()
	defer a.mu.RUnlock()
	if r := a.byID[id]; r != nil && r.Entry == "" && entry != "" {
		r.whose.CompareAndSwap(nil, &entry)
	}
}

func (a *AppPasswords) generation() uint64 { return a.gen.Load() }

func (a *AppPasswords) exists(id string, user calendar.UserID) bool {
	a.mu.RLock()
	defer a.mu.RUnlock()
	r := a.byID[id]
	return r != nil && r.User == user
}

// used notes a use, to the hour: the file is rewritten at most that often for it.
func (a *AppPasswords) used(id string, now time.Time) {
	a.mu.RLock()
	r := a.byID[id]
	a.mu.RUnlock()
	if t := now.Truncate(time.Hour).Unix(); r != nil && r.used.Load() != t {
		r.used.Store(t)
	}
}

// flush writes what was noted of uses and the file does not have.
func (a *AppPasswords) flush() error {
	used, whose := map[string]time.Time{}, map[string]string{}
	a.mu.RLock()
	for id, r := range a.byID {
		if u := r.lastUse(); u.After(r.LastUsed) {
			used[id] = u
		}
		if w := r.whose.Load(); w != nil && r.Entry == "" {
			whose[id] = *w
		}
	}
	a.mu.RUnlock()
	if len(used)+len(whose) == 0 {
		return nil
	}
	return a.update(func(list []AppPassword) ([]AppPassword, error) {
		for i := range list {
			if u, ok := used[list[i].ID]; ok && u.After(list[i].LastUsed) {
				list[i].LastUsed = u
			}
			if w, ok := whose[list[i].ID]; ok && list[i].Entry == "" {
				list[i].Entry = w
			}
		}
		return list, nil
	})
}

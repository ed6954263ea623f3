package directory

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"hash"
	"sync"
	"sync/atomic"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"

	"factotum/server/calendar"
)

// loginKey is HMAC-SHA256 over user, NUL and password with a key that the
// process drew at random: without that key a dump of the cache is worth nothing.
type loginKey [sha256.Size]byte

// loginCache remembers successful log-ins.
type loginCache struct {
	*lru.Cache[loginKey, *rememberedLogin]
	macs sync.Pool // *mac: to make one costs as much as all the rest of a remembered log-in
}

type mac struct {
	hash.Hash
	buf []byte
	sum loginKey
}

// rememberedLogin is a log-in that succeeded.
type rememberedLogin struct {
	person calendar.Person
	stamp  uint64 // of the entry, see Logins.stamp
	app    string // id of the app password used, or ""
	until  time.Time

	gen     atomic.Uint64 // of the directory when it was looked at last
	checked atomic.Int64  // when that was, in ns
	appGen  atomic.Uint64 // of the app passwords
}

func newLoginCache(size int) *loginCache {
	secret := make([]byte, sha256.Size)
	rand.Read(secret)
	c := &loginCache{Cache: newLRU[loginKey, *rememberedLogin](size)}
	c.macs.New = func() any { return &mac{Hash: hmac.New(sha256.New, secret)} }
	return c
}

func (c *loginCache) key(user, password string) (k loginKey) {
	m := c.macs.Get().(*mac)
	m.buf = append(append(append(m.buf[:0], user...), 0), password...)
	m.Reset()
	m.Write(m.buf)
	m.Sum(m.sum[:0])
	k = m.sum
	clear(m.buf)
	c.macs.Put(m)
	return k
}

// forget drops the log-ins of one user.
func (c *loginCache) forget(id calendar.UserID) {
	for _, k := range c.Keys() {
		if r, ok := c.Peek(k); ok && r.person.ID == id {
			c.Remove(k)
		}
	}
}

// newLRU makes a bounded map that forgets what was not asked for the longest.
func newLRU[K comparable, V any](size int) *lru.Cache[K, V] {
	c, err := lru.New[K, V](max(size, 1))
	if err != nil {
		panic(err) // the size above is one
	}
	return c
}

// getOr returns the value of k, made by fresh if there is none.
func getOr[K comparable, V any](c *lru.Cache[K, V], k K, fresh func() V) V {
	if v, ok := c.Get(k); ok {
		return v
	}
	v := fresh()
	if other, ok, _ := c.PeekOrAdd(k, v); ok {
		return other // of somebody who came in between
	}
	return v
}

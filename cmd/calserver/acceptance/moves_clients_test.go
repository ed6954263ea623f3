package acceptance

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"factotum/cmd/internal/hosttest"
)

// traveller is vdirsyncer between a directory and the calendar of a user who is moved. Both
// sides get more: the server by a mover, the directory from here.
type traveller struct {
	*syncer
	u    *mover
	n    int
	well int // rounds that ended well
}

func newTraveller(t *testing.T, u *mover) *traveller {
	v := &traveller{syncer: newSyncer(t, u.site.web, u.user), u: u}
	u.write(0)
	v.ok("y\ny\n", "discover")
	return v
}

// round adds a file, and synchronizes. Where the daemons are gone for the moment it does not
// end well, and the next one has to bring all.
func (v *traveller) round() {
	v.n++
	hosttest.Write(v.t, filepath.Join(v.dir, fmt.Sprintf("own-%d.ics", v.n)), event(fmt.Sprintf("own-%d", v.n), "20260901T100000Z", "From the directory"))
	if out, err := v.run("", "sync"); err == nil {
		v.well++
	} else if strings.Contains(out, "conflict") {
		v.t.Errorf("vdirsyncer: %s", out)
	}
}

// check compares both sides, once the server rests.
func (v *traveller) check() {
	v.sync()
	v.sync() // nothing is left to be done
	there := objects{}
	for href, tag := range v.u.members() {
		o := v.u.client.Get(context.Background(), href)
		if o.Err != nil {
			v.t.Fatalf("%s (%s): %v", href, tag, o.Err)
		}
		there[href] = string(o.Data)
		if !strings.Contains(href, "/"+v.u.user+"-") {
			v.u.acked[href] = "SUMMARY:From the directory\r\n"
		}
	}
	sameObjects(v.t, "vdirsyncer", readDir(v.t, v.dir), there)
	for i := range v.n {
		if uid := fmt.Sprintf("own-%d", i+1); byUID(v.t, there)[uid] == "" {
			v.t.Errorf("%s was in the directory, and is not on the server", uid)
		}
	}
	if v.well == 0 {
		v.t.Error("no round of vdirsyncer ended well")
	}
}

// connector is a WCAP client of a user who is moved: it stores events, and keeps a copy by
// what has changed since, as Lightning does.
type connector struct {
	t          *testing.T
	web, user  string
	id         string
	since      time.Time
	acked      map[string]bool // UIDs
	seen       map[string]bool
	n          int
	beginnings int // from nothing: the first
}

// ask is a command; with a new session, where there is none any more. It is ok when the
// server has done what is asked.
func (c *connector) ask(command string) (answer string, ok bool) {
	get := func(path string) string {
		r, err := http.Get(c.web + path)
		if err != nil {
			return ""
		}
		defer r.Body.Close()
		text, err := io.ReadAll(r.Body)
		if err != nil {
			return ""
		}
		return string(text)
	}
	if c.id == "" {
		_, id, _ := strings.Cut(get("/login.wcap?fmt-out=text/calendar&user="+c.user+"&password="+url.QueryEscape(password(c.user))), "X-NSCP-WCAP-SESSION-ID:")
		if c.id, _, ok = strings.Cut(id, "\r\n"); !ok {
			c.id = ""
			return "", false
		}
	}
	answer = get(command + "&fmt-out=text/calendar&id=" + c.id)
	if ok = strings.Contains(answer, "X-NSCP-WCAP-ERRNO:0\r\n"); !ok {
		c.id = ""
	}
	return answer, ok
}

// round stores an event until that is acknowledged, and asks what is new.
func (c *connector) round(ctx context.Context) {
	c.n++
	uid := fmt.Sprintf("wcap-%d", c.n)
	for end := time.Now().Add(2 * time.Minute); ctx.Err() == nil; pause(ctx, 50*time.Millisecond) {
		if _, ok := c.ask("/storeevents.wcap?calid=" + c.user + "&uid=" + uid + "&dtstart=20260901T100000Z&dtend=20260901T110000Z&summary=By+WCAP"); ok {
			c.acked[uid] = true
			break
		}
		if time.Now().After(end) {
			c.t.Fatalf("%s is not taken for two minutes", uid)
		}
	}
	c.sync()
}

func (c *connector) sync() bool {
	from, now := "0", time.Now().UTC()
	if c.since.IsZero() {
		c.beginnings++
	} else {
		from = c.since.Format("20060102T150405Z")
	}
	answer, ok := c.ask("/fetchcomponents_by_lastmod.wcap?calid=" + c.user + "&compressed=1&recurring=1&dtend=0&dtstart=" + from)
	if !ok {
		return false
	}
	for line := range strings.SplitSeq(answer, "\r\n") {
		if uid, is := strings.CutPrefix(line, "UID:"); is {
			c.seen[uid] = true
		}
	}
	c.since = now.Add(-2 * time.Second) // the server counts whole seconds
	return true
}

func (c *connector) check() {
	for end := time.Now().Add(hosttest.Patience); !c.sync(); time.Sleep(100 * time.Millisecond) {
		if time.Now().After(end) {
			c.t.Fatal("the WCAP client cannot synchronize")
		}
	}
	for uid := range c.acked {
		if !c.seen[uid] {
			c.t.Errorf("%s was acknowledged, and the WCAP client was never told of it", uid)
		}
	}
	answer, ok := c.ask("/fetchcomponents_by_range.wcap?calid=" + c.user + "&dtstart=20260801T000000Z&dtend=20261001T000000Z")
	there := map[string]int{}
	for line := range strings.SplitSeq(answer, "\r\n") {
		if uid, is := strings.CutPrefix(line, "UID:"); is {
			there[uid]++
		}
	}
	for uid := range c.acked {
		if n := there[uid]; !ok || n != 1 {
			c.t.Errorf("%s is there %d times", uid, n)
		}
	}
}

package operator

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"mime"
	"mime/quotedprintable"
	netmail "net/mail"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// office takes mails and knows when each came.
type office struct {
	t     *testing.T
	begun time.Time

	mu    sync.Mutex
	got   []string // minutes since the beginning, and the subject
	fails error
	tries int
}

func (o *office) send(_ context.Context, from, to string, data []byte) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.tries++; o.fails != nil {
		return o.fails
	}
	msg, err := netmail.ReadMessage(bytes.NewReader(data))
	if err != nil {
		o.t.Error(err)
		return err
	}
	o.got = append(o.got, time.Since(o.begun).Round(time.Minute).String()+" "+to+" "+strings.TrimPrefix(msg.Header.Get("Subject"), "ALARM: "))
	return nil
}

func (o *office) want(what string, want ...string) {
	o.t.Helper()
	synctest.Wait()
	o.mu.Lock()
	defer o.mu.Unlock()
	if !slices.Equal(o.got, want) {
		o.t.Errorf("%s:\ngot  %q\nwant %q", what, o.got, want)
	}
	o.got = nil
}

// run has a mailer of a file run in a bubble.
func run(t *testing.T, file string, fn func(m *Mailer, o *office, again func() *Mailer)) {
	synctest.Test(t, func(t *testing.T) {
		o := &office{t: t, begun: time.Now()}
		var cancel context.CancelFunc
		begin := func() *Mailer {
			if cancel != nil {
				cancel()
				synctest.Wait()
			}
			var ctx context.Context
			ctx, cancel = context.WithCancel(t.Context())
			m := New(Options{From: "cal@example.com", To: "root@example.com", Host: "cal1.example.com", Send: o.send, File: file})
			go m.Run(ctx)
			return m
		}
		fn(begin(), o, begin)
		cancel()
	})
}

func minutes(n int) { time.Sleep(time.Duration(n) * time.Minute) }

var decoder mime.WordDecoder

var disk = Alarm{What: "disk space", About: "/var", Value: "3", Says: "Make room.", Every: 24 * time.Hour}

func TestAdmin_6_13_OnceForEachChange(t *testing.T) {
	run(t, filepath.Join(t.TempDir(), "alarms.json"), func(m *Mailer, o *office, again func() *Mailer) {
		for range 120 { // seen each minute
			m.Raise(disk)
			minutes(1)
		}
		o.want("begins", `0s root@example.com disk space of "/var" is 3`)
		minutes(23 * 60)
		o.want("lasts", `24h0m0s root@example.com disk space of "/var" is 3`)
		m.Raise(disk)
		m.Raise(Alarm{What: "backup", About: "/backup", Value: "failing", Says: "x"})
		o.want("another", `25h0m0s root@example.com backup of "/backup" is failing`)
		m = again() // a new process
		m.Raise(disk)
		m.Lower("backup", "/backup")
		o.want("a mail about the same has just gone out")
		minutes(10)
		o.want("over", `25h10m0s root@example.com backup of "/backup" is over`)
		m.Lower("backup", "/backup")
		m.Lower("disk space", "/nowhere")
		m.Lower("disk space", "/var")
		minutes(48 * 60)
		o.want("over too", `25h10m0s root@example.com disk space of "/var" is over`)
		m.Raise(disk)
		o.want("once more", `73h10m0s root@example.com disk space of "/var" is 3`)
		again()
		minutes(25 * 60)
		o.want("nobody sees it any more")
		minutes(8 * 24 * 60)
		m = again()
		m.Raise(disk)
		o.want("that is forgotten", `290h10m0s root@example.com disk space of "/var" is 3`)
	})
}

func TestWhatComesAndGoes(t *testing.T) {
	run(t, "", func(m *Mailer, o *office, _ func() *Mailer) {
		for range 30 { // a share that is away each other minute
			m.Raise(disk)
			minutes(1)
			m.Lower(disk.What, disk.About)
			minutes(1)
		}
		o.mu.Lock()
		defer o.mu.Unlock()
		if n := len(o.got); n < 2 || n > 6 {
			t.Errorf("an hour has %d mails: %q", n, o.got)
		}
	})
}

func TestNoServer(t *testing.T) {
	var log bytes.Buffer
	synctest.Test(t, func(t *testing.T) {
		o := &office{t: t, begun: time.Now(), fails: errors.New("connection refused")}
		ctx, cancel := context.WithCancel(t.Context())
		m := New(Options{From: "cal@example.com", To: "a@example.com, b@example.com", Host: "cal1", Send: o.send, Log: slog.New(slog.NewTextHandler(&log, nil))})
		go m.Run(ctx)
		m.Raise(disk)
		minutes(24 * 60)
		synctest.Wait()
		o.mu.Lock()
		if o.tries > 70 {
			t.Errorf("%d attempts", o.tries)
		}
		o.fails = nil
		o.mu.Unlock()
		minutes(61)
		o.want("both get it", `24h3m0s a@example.com disk space of "/var" is 3`, `24h3m0s b@example.com disk space of "/var" is 3`)
		cancel()
	})
	if n := strings.Count(log.String(), "cannot be mailed"); n != 1 {
		t.Errorf("told %d times: %s", n, log.String())
	}
	m := New(Options{From: "cal@example.com", To: "nobody at all", Log: slog.New(slog.NewTextHandler(&log, nil))})
	if err := m.send(t.Context(), &state{}); err == nil || !strings.Contains(err.Error(), `"nobody at all" is no mail address`) {
		t.Errorf("got %v", err)
	}
	var none *Mailer
	none.Raise(disk)
	none.Lower("disk space", "/var")
	none.Run(t.Context())
}

// What is sent while the process ends is kept, and nobody gets it twice; who does not
// answer is not waited for.
func TestSentAtTheEnd(t *testing.T) {
	file := filepath.Join(t.TempDir(), "alarms.json")
	synctest.Test(t, func(t *testing.T) {
		sent, takes := 0, time.Second
		slow := func(ctx context.Context, from, to string, data []byte) error {
			if err := pause(ctx, takes); err != nil {
				return err
			}
			sent++
			return nil
		}
		life := func() time.Duration {
			ctx, cancel := context.WithCancel(t.Context())
			m, ended := New(Options{From: "cal@example.com", To: "root@example.com", Send: slow, File: file}), make(chan struct{})
			go func() { m.Run(ctx); close(ended) }()
			m.Raise(disk)
			synctest.Wait()
			begun := time.Now()
			cancel()
			<-ended
			return time.Since(begun)
		}
		takes = time.Hour
		if d := life(); d != lastWait || sent != 0 {
			t.Errorf("a server that hangs: the end took %v, %d were sent", d, sent)
		}
		takes = time.Second
		if d := life(); d != time.Second || sent != 1 {
			t.Errorf("the end took %v, %d were sent", d, sent)
		}
		if d := life(); d != 0 || sent != 1 {
			t.Errorf("once more: the end took %v, %d were sent", d, sent)
		}
	})
}

func TestAdmin_6_13_Template(t *testing.T) {
	m := New(Options{From: "Postmaster@localhost", To: "root@example.com", Host: "cal1", Now: func() time.Time { return time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC) }})
	evil := Alarm{What: "backup", About: "/b\r\nBcc: all@example.com", Value: "7", Says: "Größe: 5 %s\n.\nFrom here"}
	for _, c := range []struct{ template, subject, body string }{
		{"", `ALARM: backup of "/b Bcc: all@example.com" is 7`, "Größe: 5 %s\r\n.\r\nFrom here"},
		// As the guide prints it, with no empty line.
		{`From: %s\nTo: %s\nSubject: ALARM: %s of \"%s\" is n\n%s\n`, `ALARM: backup of "/b Bcc: all@example.com" is n`, "Größe: 5 %s"},
		{`Subject: %%s %d Ü\n\nhello`, `%s 7 Ü`, "hello"},
		{`only text: 100%`, `ALARM: backup of "/b\r\nBcc: all@example.com" is 7`, "only text: 100%"},
	} {
		m.opt.Template = c.template
		data := m.compose(&state{Alarm: evil})
		msg, err := netmail.ReadMessage(bytes.NewReader(data))
		if err != nil {
			t.Fatalf("%s: %v\n%s", c.template, err, data)
		}
		subject, err := decoder.DecodeHeader(msg.Header.Get("Subject"))
		if err != nil || subject != c.subject {
			t.Errorf("%s: subject %q, want %q", c.template, subject, c.subject)
		}
		body, err := io.ReadAll(quotedprintable.NewReader(msg.Body))
		if err != nil || !strings.HasPrefix(string(body), c.body) {
			t.Errorf("%s: body %q, want %q", c.template, body, c.body)
		}
		if msg.Header.Get("Bcc") != "" || msg.Header.Get("From") == "" || msg.Header.Get("To") == "" || msg.Header.Get("Date") == "" || msg.Header.Get("Auto-Submitted") == "" {
			t.Errorf("%s: header %v", c.template, msg.Header)
		}
		for line := range bytes.SplitSeq(data, []byte("\r\n")) {
			if len(line) > 200 || bytes.ContainsAny(line, "\r\n") {
				t.Errorf("%s: line %q", c.template, line)
			}
		}
	}
}

package watcher

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// fakeHost starts processes that do what a test says, and writes down what it
// is asked.
type fakeHost struct {
	said  []string // "start calserver store http", "tell calserver stop http"
	times []time.Time
	next  []behaviour // of the processes to come; the last one stays
	live  map[string]*fakeProcess
	apart bool // csstored runs apart
	deny  error
}

// behaviour of a process.
type behaviour struct {
	start string        // "ready", an error, or "" for no word
	after time.Duration // when it says so
	deaf  bool          // does not end when asked
}

type fakeProcess struct {
	pid     int
	deaf    bool
	started chan error
	ended   chan error
	killed  bool
}

func (p *fakeProcess) PID() int              { return p.pid }
func (p *fakeProcess) Started() <-chan error { return p.started }
func (p *fakeProcess) Wait() error           { return <-p.ended }
func (p *fakeProcess) Kill()                 { p.killed = true; p.end(errors.New("signal: killed")) }
func (p *fakeProcess) Terminate() {
	if !p.deaf {
		p.end(nil)
	}
}

func (p *fakeProcess) end(err error) {
	select {
	case p.ended <- err:
	default:
	}
}

func (h *fakeHost) Start(name string, components []string) (Process, error) {
	h.say("start", name, strings.Join(components, " "))
	b := behaviour{start: "ready"}
	if len(h.next) > 0 {
		b = h.next[0]
	}
	if len(h.next) > 1 {
		h.next = h.next[1:]
	}
	p := &fakeProcess{pid: 100 + len(h.said), deaf: b.deaf, started: make(chan error, 1), ended: make(chan error, 1)}
	if b.start != "" {
		time.AfterFunc(b.after, func() {
			if b.start == "ready" {
				p.started <- nil
			} else {
				p.started <- errors.New(b.start)
			}
		})
	}
	if h.live == nil {
		h.live = map[string]*fakeProcess{}
	}
	h.live[name] = p
	return p, nil
}

func (h *fakeHost) Tell(_ context.Context, name, order, component string) error {
	h.say("tell", name, order, component)
	return h.deny
}

func (h *fakeHost) StoreRuns() bool { return h.apart }

func (h *fakeHost) say(words ...string) {
	h.said = append(h.said, strings.Join(words, " "))
	h.times = append(h.times, time.Now())
}

// pauses lists what lies between the starts, in ms.
func (h *fakeHost) pauses() (out []int64) {
	for i := 1; i < len(h.times); i++ {
		out = append(out, h.times[i].Sub(h.times[i-1]).Milliseconds())
	}
	return out
}

var components = []Component{{"store", "csstored", false}, {"dwp", "csdwpd", true}, {"http", "cshttpd", true}}

// watch runs a test in a world where time passes only when all wait.
func watch(t *testing.T, all string, test func(t *testing.T, h *fakeHost, w *Watcher), options ...func(*Options)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		opt := Options{Components: components, All: all, Restart: true, GiveUp: 10 * time.Minute, StartTime: time.Minute,
			StopTime: 20 * time.Second, Log: slog.New(slog.DiscardHandler)}
		for _, o := range options {
			o(&opt)
		}
		h := &fakeHost{}
		w := New(h, opt)
		defer w.StopAll(true)
		test(t, h, w)
	})
}

// pass lets time pass, and all who have something to do then do it.
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// start orders a start and returns the components that did not.
func start(t *testing.T, w *Watcher, words ...string) (failed string) {
	t.Helper()
	res, err := w.Start(t.Context(), words)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range res {
		if r.Err != "" {
			failed += r.Component + ": " + r.Err + "\n"
		} else if r.PID == 0 {
			t.Errorf("%s has no pid", r.Component)
		}
	}
	return failed
}

func (h *fakeHost) expect(t *testing.T, want ...string) {
	t.Helper()
	if !slices.Equal(h.said, want) {
		t.Errorf("the host was asked\n%s\nwant\n%s", strings.Join(h.said, "\n"), strings.Join(want, "\n"))
	}
}

func TestOneProcess(t *testing.T) {
	watch(t, "calserver", func(t *testing.T, h *fakeHost, w *Watcher) {
		if failed := start(t, w, "http"); failed != "http: "+NoStore("cshttpd").Error()+"\n" {
			t.Errorf("http before the store: %s", failed)
		}
		if failed := start(t, w, "http", "store"); failed != "" {
			t.Error(failed)
		}
		res, err := w.Start(t.Context(), []string{"csstored", "dwp"})
		if err != nil || len(res) != 2 || !res[0].Already || res[1].Already || res[0].PID != res[1].PID {
			t.Errorf("%+v %v", res, err)
		}
		h.expect(t, "start calserver store", "tell calserver start http", "tell calserver start dwp")
		units := w.Units()
		if len(units) != 1 || units[0].Name != "calserver" || units[0].PID != 101 || strings.Join(units[0].Roles, " ") != "store http dwp" {
			t.Errorf("%+v", units)
		}
	})
}

func TestProcessesOfTheirOwn(t *testing.T) {
	watch(t, "", func(t *testing.T, h *fakeHost, w *Watcher) {
		h.apart = true
		if failed := start(t, w, "dwp"); failed != "" {
			t.Errorf("with a store started apart: %s", failed)
		}
		h.apart = false
		if failed := start(t, w, "store", "http"); failed != "" {
			t.Error(failed)
		}
		h.expect(t, "start csdwpd dwp", "start csstored store", "start cshttpd http")
		res, err := w.Stop(t.Context(), []string{"http"}, false)
		if err != nil || res.Quit || strings.Join(res.Stopped, " ") != "http" || h.live["cshttpd"].killed {
			t.Errorf("%+v %v", res, err)
		}
		start(t, w, "http")
		// With the store goes what needs it, before it.
		res, err = w.Stop(t.Context(), []string{"store"}, false)
		if err != nil || !res.Quit || strings.Join(res.Stopped, " ") != "http dwp store" {
			t.Errorf("%+v %v", res, err)
		}
		for _, u := range w.Units() {
			if u.PID != 0 {
				t.Errorf("%+v", u)
			}
		}
	})
}

func TestStopWithinTheProcess(t *testing.T) {
	watch(t, "calserver", func(t *testing.T, h *fakeHost, w *Watcher) {
		start(t, w, "store", "http")
		if res, err := w.Stop(t.Context(), []string{"http"}, false); err != nil || res.Quit {
			t.Errorf("%+v %v", res, err)
		}
		h.deny = errors.New("no")
		start(t, w, "http") // which fails
		h.deny = nil
		if res, err := w.Stop(t.Context(), []string{"store"}, false); err != nil || !res.Quit || strings.Join(res.Stopped, " ") != "store" {
			t.Errorf("%+v %v", res, err)
		}
		h.expect(t, "start calserver store", "tell calserver start http", "tell calserver stop http", "tell calserver start http")
	})
}

// What crashes comes back with all its components, after a pause that doubles
// while it does not live long.
func TestRestart(t *testing.T) {
	watch(t, "calserver", func(t *testing.T, h *fakeHost, w *Watcher) {
		start(t, w, "store", "http")
		h.said, h.times = nil, h.times[:1]
		for range 4 {
			h.live["calserver"].end(errors.New("signal: killed"))
			pass(time.Second)
		}
		// Each time a second passes, and 0.1, 0.2, 0.4 and 0.8 s of it before the start.
		if got := h.pauses(); !slices.Equal(got, []int64{100, 1100, 1200, 1400}) {
			t.Errorf("pauses: %v", got)
		}
		h.expect(t, slices.Repeat([]string{"start calserver store http"}, 4)...)
		if u := w.Units()[0]; u.Restarts != 4 || u.PID == 0 || u.Given != "" {
			t.Errorf("%+v", u)
		}
		// One that was settled comes back as quickly as the first time.
		pass(settled)
		before := time.Now()
		h.live["calserver"].end(errors.New("signal: killed"))
		pass(time.Second)
		if pause := h.times[len(h.times)-1].Sub(before); pause != firstPause {
			t.Errorf("after a long life: %v", pause)
		}
	})
}

// What does not become ready, again and again, is given up; an order tries
// anew.
func TestGiveUp(t *testing.T) {
	watch(t, "", func(t *testing.T, h *fakeHost, w *Watcher) {
		start(t, w, "store")
		h.times = h.times[:1]
		h.next = []behaviour{{start: "the disk is full", after: time.Second}}
		h.live["csstored"].end(errors.New("exit status 1"))
		pass(time.Hour)
		u := w.Units()[0]
		if u.Given != "the disk is full" || u.PID != 0 || u.Restarts != 1 {
			t.Errorf("%+v", u)
		}
		got := h.pauses()
		if want := []int64{100, 1200, 1400, 1800, 2600, 4200, 7400, 13800, 26600, 31000, 31000}; len(got) < 20 || !slices.Equal(got[:len(want)], want) {
			t.Errorf("pauses: %v", got)
		}
		if tried := h.times[len(h.times)-1].Sub(h.times[0]); tried < 10*time.Minute-31*time.Second || tried > 10*time.Minute+31*time.Second {
			t.Errorf("tried for %v", tried)
		}
		if failed := start(t, w, "store"); failed != "store: the disk is full\n" {
			t.Errorf("a start that fails says %q", failed)
		}
		h.next = nil
		if failed := start(t, w, "store"); failed != "" || w.Units()[0].Given != "" {
			t.Errorf("%s %+v", failed, w.Units())
		}
	})
}

func TestRestartSwitchedOff(t *testing.T) {
	watch(t, "", func(t *testing.T, h *fakeHost, w *Watcher) {
		start(t, w, "store")
		h.live["csstored"].end(errors.New("exit status 1"))
		pass(time.Hour)
		if u := w.Units()[0]; !strings.Contains(u.Given, "service.autorestart") || len(h.said) != 1 {
			t.Errorf("%+v %v", u, h.said)
		}
	}, func(o *Options) { o.Restart = false })
}

func TestNotReadyInTime(t *testing.T) {
	watch(t, "", func(t *testing.T, h *fakeHost, w *Watcher) {
		h.next = []behaviour{{deaf: true}}
		begun := time.Now()
		if failed := start(t, w, "store"); !strings.Contains(failed, "not ready after 1m0s (service.admin.starttime)") {
			t.Error(failed)
		}
		if took := time.Since(begun); took != time.Minute || !h.live["csstored"].killed {
			t.Errorf("%v, killed: %v", took, h.live["csstored"].killed)
		}
	})
}

// What does not end is killed; force does not ask first.
func TestStopByForce(t *testing.T) {
	for force, want := range map[bool]time.Duration{false: 20 * time.Second, true: 0} {
		watch(t, "", func(t *testing.T, h *fakeHost, w *Watcher) {
			h.next = []behaviour{{start: "ready", deaf: true}}
			start(t, w, "store")
			begun := time.Now()
			w.StopAll(force)
			if took := time.Since(begun); took != want || !h.live["csstored"].killed {
				t.Errorf("force %v: %v, killed: %v", force, took, h.live["csstored"].killed)
			}
		})
	}
}

// A stop during a pause, or while a process comes up again, is the last word.
func TestStopWhileItRestarts(t *testing.T) {
	for _, wait := range []time.Duration{0, 50 * time.Millisecond, 150 * time.Millisecond} {
		watch(t, "", func(t *testing.T, h *fakeHost, w *Watcher) {
			start(t, w, "store")
			h.next = []behaviour{{start: "ready", after: time.Second}}
			h.live["csstored"].end(errors.New("signal: killed"))
			pass(wait)
			if res, err := w.Stop(t.Context(), []string{"store"}, false); err != nil || !res.Quit {
				t.Errorf("%+v %v", res, err)
			}
			n := len(h.said)
			pass(time.Hour)
			if u := w.Units()[0]; u.PID != 0 || len(h.said) != n {
				t.Errorf("after %v: %+v %v", wait, u, h.said)
			}
		})
	}
}

// A start during a pause does not wait for its end, and forgets no component.
func TestStartWhileItRestarts(t *testing.T) {
	watch(t, "calserver", func(t *testing.T, h *fakeHost, w *Watcher) {
		start(t, w, "store", "http")
		h.live["calserver"].end(errors.New("signal: killed"))
		synctest.Wait()
		if failed := start(t, w, "store", "http"); failed != "" {
			t.Error(failed)
		}
		pass(time.Hour)
		h.expect(t, "start calserver store", "tell calserver start http", "start calserver store http")
		if u := w.Units()[0]; u.PID == 0 {
			t.Errorf("%+v", u)
		}
	})
}

func TestOrders(t *testing.T) {
	watch(t, "", func(t *testing.T, h *fakeHost, w *Watcher) {
		quits := 0
		handler := w.Handler(func() { quits++ })
		order := func(method, target string, code int, out any) string {
			t.Helper()
			rec := httptest.NewRecorder()
			handler.ServeHTTP(rec, httptest.NewRequest(method, target, nil))
			body, _ := io.ReadAll(rec.Body)
			if rec.Code != code {
				t.Errorf("%s %s: %d %s", method, target, rec.Code, body)
			}
			if out != nil {
				if err := json.Unmarshal(body, out); err != nil {
					t.Errorf("%s %s: %v\n%s", method, target, err, body)
				}
			}
			return string(body)
		}
		order("GET", "/start", http.StatusMethodNotAllowed, nil)
		if says := order("POST", "/start?component=ens", http.StatusBadRequest, nil); says != "there is no component \"ens\"\n" {
			t.Errorf("%q", says)
		}
		if says := order("GET", "/units", http.StatusOK, nil); says != "[]\n" {
			t.Errorf("%q", says)
		}
		var started []Started
		order("POST", "/start?component=http&component=store", http.StatusOK, &started)
		if fmt.Sprint(started) != "[{store 101 false } {http 102 false }]" {
			t.Errorf("%v", started)
		}
		var units []Unit
		order("GET", "/units", http.StatusOK, &units)
		if len(units) != 2 || units[1].PID != 102 || units[1].Since.IsZero() {
			t.Errorf("%+v", units)
		}
		var stopped Stopped
		order("POST", "/stop?component=http", http.StatusOK, &stopped)
		if stopped.Quit || quits != 0 {
			t.Errorf("%+v", stopped)
		}
		order("POST", "/stop?force=1", http.StatusOK, &stopped)
		if !stopped.Quit || quits != 1 || !h.live["csstored"].killed {
			t.Errorf("%+v %d", stopped, quits)
		}
	})
}

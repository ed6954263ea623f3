package selftest_test

import (
	"bytes"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"factotum/cmd/internal/davclient"
	"factotum/cmd/internal/selftest"
	"factotum/cmd/internal/tooltest"
	"factotum/server/calendar"
)

func TestSelftest(t *testing.T) {
	be := tooltest.Backend(t)
	url, _ := tooltest.Serve(t, be)
	tooltest.Import(t, be, "anna", "a", tooltest.Calendar(tooltest.Event("1", "A")))
	run := func(url, password string) (bool, string) {
		var out bytes.Buffer
		c, err := davclient.New(davclient.Account{Address: url, User: "anna", Password: password})
		if err != nil {
			t.Fatal(err)
		}
		rep := selftest.Run(t.Context(), c, func(s selftest.Step) { s.Print(&out) })
		if rep.Passed+rep.Failed != len(rep.Steps) {
			t.Errorf("%+v", rep)
		}
		return rep.Passed == 21 && rep.Failed == 0, out.String()
	}
	if ok, out := run(url, "secret"); !ok {
		t.Errorf("%v\n%s", ok, out)
	}
	home, err := be.Home(t.Context(), tooltest.Admin, calendar.HomeRequest{Owner: "anna"})
	if err != nil || len(home.Calendars) != 1 {
		t.Errorf("left behind: %+v %v", home.Calendars, err)
	}
	if ok, out := run(url, "wrong"); ok || !strings.Contains(out, "FAIL  the user's principal") {
		t.Errorf("wrong password: %v\n%s", ok, out)
	}
	// A server that forgets the CR of each line, and says every change is new.
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rec := httptest.NewRecorder()
		req, _ := http.NewRequestWithContext(r.Context(), r.Method, url+r.URL.RequestURI(), r.Body)
		req.Header = r.Header
		req.Header.Del("If-Match")
		resp, err := http.DefaultTransport.RoundTrip(req)
		if err != nil {
			t.Error(err)
			return
		}
		defer resp.Body.Close()
		rec.Body.ReadFrom(resp.Body)
		maps.Copy(w.Header(), resp.Header)
		w.Header().Del("Content-Length")
		w.WriteHeader(resp.StatusCode)
		w.Write(bytes.ReplaceAll(rec.Body.Bytes(), []byte("\r"), nil))
	}))
	defer proxy.Close()
	ok, out := run(proxy.URL, "secret")
	for _, want := range []string{"FAIL  it comes back octet for octet", "FAIL  a change that began from an old version", "ok    sync tells of the deletion"} {
		if ok || !strings.Contains(out, want) {
			t.Errorf("it does not say %q:\n%s", want, out)
		}
	}
}

package caldav

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"factotum/server/calendar"
	"factotum/server/service"

	"factotum/protocol/sitetest"
)

// fixedPush is a site's identity that tests can foretell.
type fixedPush struct{}

func (fixedPush) PublicKey() string {
	return "BA1Hxzyi1RUM1b5wjxsn7nGxAszw2u61m164i3MrAIxHF6YK5h4SDYic-dRuU_RCPCfA5aq9ojSwk5Y2EmClBPs"
}
func (fixedPush) Topic(parts ...string) string {
	return "topic-" + strings.Join(parts, "-")
}

// pushSite is a site that pushes.
func pushSite(t *testing.T) *site {
	s := openSite(t, sitetest.Options{Model: service.Options{Registrations: service.RegistrationOptions{ServerKey: fixedPush{}.PublicKey(), PushLimit: 5, HookLimit: 3}}})
	front := *s
	front.h = New(Options{Backend: s.be, People: s.people, Now: s.base.Now, Login: s.base.Login, Push: fixedPush{}})
	front.visit("anna", "ben")
	return &front
}

const pushAddress = "https://up.example.net/yohd4yai5Phiz1wi"

// pushRegister is the body that DAVx5 sends.
func pushRegister(trigger, expires string) string {
	return `<?xml version='1.0' encoding='UTF-8' ?><push-register xmlns="https://bitfire.at/webdav-push" xmlns:D="DAV:"><subscription><web-push-subscription>` +
		`<push-resource>` + pushAddress + `</push-resource>` +
		`<subscription-public-key type="p256dh">BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4</subscription-public-key>` +
		`<auth-secret>BTBZMqHH6r4Tts7J_aSIgg</auth-secret></web-push-subscription></subscription>` + trigger + expires + `</push-register>`
}

const bothTriggers = `<trigger><content-update><D:depth>1</D:depth></content-update><property-update><D:depth>0</D:depth></property-update></trigger>`

func pushed(condition string) string { return "{" + nsPush + "}" + condition }

const xmlType = "Content-Type: application/xml; charset=utf-8"

// WebDAV-Push, Service Detection and Push Properties.
func TestPushIsOffered(t *testing.T) {
	s := pushSite(t)
	const home, cal = "/dav/calendars/anna/", "/dav/calendars/anna/calendar/"
	if dav := s.do("anna", "OPTIONS", cal, "").is(200).header.Get("Dav"); !strings.HasSuffix(dav, ", webdav-push") {
		t.Errorf("DAV: %s", dav)
	}
	ask := `<propfind xmlns="DAV:" xmlns:P="https://bitfire.at/webdav-push"><prop><P:transports/><P:topic/><P:supported-triggers/></prop></propfind>`
	r := s.do("anna", "PROPFIND", cal, ask, "Depth: 0").is(207)
	r.contains(`type="p256ecdsa"`, fixedPush{}.PublicKey(), "topic-anna-", "content-update", "property-update")
	if strings.Contains(r.body, "404") {
		t.Errorf("missing: %s", r.body)
	}
	same := s.do("anna", "PROPFIND", cal, ask, "Depth: 0").is(207)
	if same.body != r.body {
		t.Error("another topic the second time")
	}
	s.do("anna", "PROPFIND", home, ask, "Depth: 0").is(207).contains("topic-anna-0", "infinity")
	s.do("anna", "PROPFIND", "/dav/calendars/anna/inbox/", ask, "Depth: 0").is(207).contains("topic-anna-")
	s.do("ben", "PROPFIND", cal, ask, "Depth: 0").is(207).lacks("topic-anna")
	s.do("anna", "PROPFIND", "/dav/principals/anna/", ask, "Depth: 0").is(207).lacks("topic-")
	plain := newSite(t)
	plain.visit("anna")
	if dav := plain.do("anna", "OPTIONS", cal, "").is(200).header.Get("Dav"); strings.Contains(dav, "webdav-push") {
		t.Errorf("DAV of a site that does not push: %s", dav)
	}
	plain.do("anna", "PROPFIND", cal, ask, "Depth: 0").is(207).lacks("p256ecdsa", "topic-")
	plain.do("anna", "POST", cal, pushRegister("", ""), xmlType).is(403, pushed("push-not-available"))
}

// WebDAV-Push, Subscription Registration, Updates and Removal, in the sequence of DAVx5.
func TestPushRegistration(t *testing.T) {
	s := pushSite(t)
	const cal = "/dav/calendars/anna/calendar/"
	soon := s.base.Now().Add(3 * 24 * time.Hour).UTC().Truncate(time.Second)
	expires := "<expires>" + soon.Format(http.TimeFormat) + "</expires>"
	r := s.do("anna", "POST", cal, pushRegister("", expires), xmlType).is(201) // without a trigger, as DAVx5 does
	url := r.header.Get("Location")
	if !strings.HasPrefix(url, "http://") || !strings.Contains(url, "/dav/push/anna/") || r.header.Get("Expires") != soon.Format(http.TimeFormat) {
		t.Errorf("Location %q, Expires %q, want %v", url, r.header.Get("Expires"), soon)
	}
	again := s.do("anna", "POST", cal, pushRegister(bothTriggers, ""), xmlType).is(204)
	if again.header.Get("Location") != url {
		t.Errorf("renewed at %q", again.header.Get("Location"))
	}
	if at, err := http.ParseTime(again.header.Get("Expires")); err != nil || at.Sub(s.base.Now()) < 3*24*time.Hour {
		t.Errorf("renewed until %v", again.header.Get("Expires"))
	}
	list, err := s.be.Registrations(t.Context(), s.people.Actor("anna"), calendar.RegistrationsRequest{Owner: "anna"})
	if err != nil || len(list) != 1 || list[0].Triggers != (calendar.Triggers{Content: calendar.DepthMembers, Properties: calendar.DepthSelf}) || list[0].Address != pushAddress {
		t.Errorf("registered: %+v %v", list, err)
	}
	path := url[strings.Index(url, "/dav/"):]
	s.do("ben", "DELETE", path, "").is(404)
	s.do("anna", "GET", path, "").is(405)
	s.do("anna", "OPTIONS", path, "").is(200)
	s.do("anna", "DELETE", path, "").is(204)
	s.do("anna", "DELETE", path, "").is(404)
	s.do("anna", "DELETE", "/dav/push/anna/", "").is(404)
	s.do("anna", "POST", "/dav/calendars/anna/", pushRegister(bothTriggers, ""), xmlType).is(201)
	s.do("ben", "POST", "/dav/calendars/anna/", pushRegister(bothTriggers, ""), xmlType).is(403, pushed("push-not-available"))
	s.do("ben", "POST", cal, pushRegister(bothTriggers, ""), xmlType).is(403, pushed("push-not-available"))
	s.do("anna", "POST", "/dav/calendars/anna/none/", pushRegister(bothTriggers, ""), xmlType).is(404)
}

// What is wrong with a registration is said in the draft's words.
func TestPushRefused(t *testing.T) {
	s := pushSite(t)
	good := pushRegister(bothTriggers, "")
	for _, c := range []struct {
		from, to, condition string
		status              int
	}{
		{"<trigger>", "<x><trigger>", "", 400},
		{bothTriggers, "<trigger/>", "no-supported-trigger", 403},
		{bothTriggers, "<trigger><moon-phase/></trigger>", "no-supported-trigger", 403},
		{"<D:depth>1</D:depth>", "<D:depth>2</D:depth>", "", 400},
		{pushAddress, "", "", 201}, // the site of this test looks at no address
		{`<push-resource>` + pushAddress + `</push-resource>`, "", "invalid-subscription", 403},
		{`<push-resource>`, `<push-resource>https://a.example/</push-resource><push-resource>`, "invalid-subscription", 403},
		{`type="p256dh"`, `type="rsa"`, "invalid-subscription", 403},
		{"BTBZMqHH6r4Tts7J_aSIgg", "!!", "invalid-subscription", 403},
		{"<auth-secret>BTBZMqHH6r4Tts7J_aSIgg</auth-secret>", "", "invalid-subscription", 403},
		{"web-push-subscription", "pigeon-subscription", "invalid-subscription", 403},
		{"<subscription-public-key", "<content-encoding>aesgcm</content-encoding><subscription-public-key", "invalid-subscription", 403},
		{"</trigger>", "</trigger><expires>tomorrow</expires>", "", 400},
		{"</trigger>", "</trigger><expires>Wed, 02 Oct 2002 07:28:00 GMT</expires>", "invalid-subscription", 403},
	} {
		body := strings.ReplaceAll(good, c.from, c.to)
		if body == good {
			t.Fatalf("%q is not there", c.from)
		}
		r := s.do("anna", "POST", "/dav/calendars/anna/calendar/", body, xmlType)
		if c.condition == "" {
			r.is(c.status)
		} else {
			r.is(c.status, pushed(c.condition))
		}
	}
	s.do("anna", "POST", "/dav/calendars/anna/calendar/", good, "Content-Type: text/plain").is(403)
}

func TestQuietOnes(t *testing.T) {
	for in, want := range map[string]string{
		`*`:        "*",
		` * `:      "*",
		`"*"`:      "",
		``:         "",
		`nonsense`: "",
		`"https://cal.example.com/dav/push/anna/abc"`:                                                "abc",
		`"https://cal.example.com/dav/push/anna/abc", "https://cal.example.com/dav/push/anna/def"`:   "abc def",
		`"https://cal.example.com/dav/push/anna/abc"|"https://cal.example.com/dav/push/anna/abc","x`: "abc",
		`"https://elsewhere.example.com/abc", "https://cal.example.com/dav/push/b%40c/x"`:            "x",
		`"/dav/push/anna/"`: "",
	} {
		if got := strings.Join(quietOnes(strings.Split(in, "|")), " "); got != want {
			t.Errorf("%s: %q, want %q", in, got, want)
		}
	}
}

// Webhooks over HTTP.
func TestHooks(t *testing.T) {
	s := pushSite(t)
	var hook struct{ ID, Owner, CalID, Address, Secret, State, Error string }
	read := func(r *reply) {
		t.Helper()
		hook.Secret, hook.Error = "", ""
		if err := json.Unmarshal([]byte(r.body), &hook); err != nil || r.header.Get("Content-Type") != "application/json" {
			t.Fatalf("%v: %s", err, r.body)
		}
	}
	read(s.do("anna", "POST", "/dav/hooks/", `{"address": "https://hook.example.com/a", "calid": "anna"}`).is(201))
	if hook.ID == "" || hook.Owner != "anna" || hook.CalID != "anna" || !strings.HasPrefix(hook.Secret, "whsec_") || hook.State != "on" {
		t.Errorf("made: %+v", hook)
	}
	path := "/dav/hooks/anna/" + hook.ID
	read(s.do("anna", "GET", path, "").is(200))
	if hook.Secret != "" {
		t.Error("the secret is shown again")
	}
	s.do("anna", "GET", "/dav/hooks", "").is(200).contains(hook.ID, `"hooks"`)
	s.do("anna", "HEAD", "/dav/hooks/", "").is(200)
	s.do("anna", "POST", path+"/test", "").is(202)
	for range 9 {
		s.do("anna", "POST", path+"/test", "").is(202)
	}
	if r := s.do("anna", "POST", path+"/test", "").is(429).contains("too many tests"); r.header.Get("Retry-After") == "" || r.header.Get("Content-Type") != "application/json" {
		t.Errorf("headers %v", r.header)
	}
	s.do("ben", "GET", path, "").is(404)
	s.do("ben", "DELETE", path, "").is(404)
	s.do("ben", "POST", path+"/test", "").is(404)
	s.do("ben", "GET", "/dav/hooks/", "").is(200).lacks(hook.ID)
	s.do("ben", "POST", "/dav/hooks/", `{"address": "https://hook.example.com/b", "calid": "anna"}`).is(403).contains("rights")
	s.do("", "GET", "/dav/hooks/", "").is(401)
	for body, want := range map[string]string{
		``:                                "empty",
		`{}`:                              "address is missing",
		`{"address": 7}`:                  "cannot be read",
		`{"adress": "https://x.example"}`: "adress",
		`{"address": "https://x.example", "secret": "whsec_c2hvcnQ="}`: "24 to 64",
		`{"address": "https://x.example", "secret": "whsec_!"}`:        "base64",
		`{"address": "https://x.example", "calid": "a/b:c"}`:           "calid",
		`{"address": "https://x.example"} {}`:                          "more than one",
		`{"address": "https://x.example", "expires": "tomorrow"}`:      "cannot be read",
		`{"address": "https://x.example", "calid": "anna:nowhere"}`:    "",
		`{"address": "` + strings.Repeat("x", 70<<10) + `"}`:           "64 KiB",
	} {
		r := s.do("anna", "POST", "/dav/hooks/", body)
		read(r)
		if r.status < 400 || r.status >= 500 || hook.Error == "" || !strings.Contains(hook.Error, want) {
			t.Errorf("%.60s: %d %s", body, r.status, r.body)
		}
	}
	s.do("anna", "POST", "/dav/hooks/", `{"address": "https://hook.example.com/2"}`).is(201)
	s.do("anna", "POST", "/dav/hooks/", `{"address": "https://hook.example.com/3"}`).is(201)
	s.do("anna", "POST", "/dav/hooks/", `{"address": "https://hook.example.com/4"}`).is(403).contains("at most 3")
	s.do("anna", "PUT", "/dav/hooks/", "").is(405)
	s.do("anna", "DELETE", path, "").is(204)
	s.do("anna", "GET", path, "").is(404)
}

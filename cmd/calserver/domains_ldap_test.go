package main

import (
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"factotum/cmd/internal/hosttest"
	"factotum/server/directory/ldaptest"
)

// Two domains with people of the same ids in a real LDAP server, made and changed by
// csdomain: who logs in as whom, and who sees whom, in a server and its tools.
// testdata/script/domains.txtar has all of it for a file of people.
func TestHostedDomainsInLDAP(t *testing.T) {
	t.Parallel()
	var people strings.Builder
	for _, d := range []string{"a.example", "b.example"} {
		fmt.Fprintf(&people, "dn: o=%[1]s,o=usergroup\nobjectClass: organization\nobjectClass: inetDomain\nobjectClass: icsCalendarDomain\no: %[1]s\nsunPreferredDomain: %[1]s\n\n"+
			"dn: ou=People,o=%[1]s,o=usergroup\nobjectClass: organizationalUnit\nou: People\n\n", d)
		for _, id := range []string{"anna", "bob"} {
			fmt.Fprintf(&people, "dn: uid=%[1]s,ou=People,o=%[2]s,o=usergroup\nobjectClass: inetOrgPerson\nobjectClass: icsCalendarUser\nuid: %[1]s\ncn: %[1]s of %[2]s\nsn: %[1]s\n"+
				"mail: %[1]s@%[2]s\nuserPassword: %[2]s\n\n", id, d)
		}
	}
	slapd := ldaptest.Start(t, people.String())
	conf := filepath.Join(t.TempDir(), "ics.conf")
	port := freePort(t, "127.0.0.1")
	hosttest.Write(t, conf, fmt.Sprintf(`factotum.data.dir = "data"
factotum.directory.type = "ldap"
local.ugldaphost = %[1]q
local.ugldapbasedn = %[2]q
local.ugldapbinddn = %[3]q
local.ugldapbindcred = %[4]q
local.enduseradmindn = %[3]q
local.enduseradmincred = %[4]q
service.schema2root = %[2]q
local.schemaversion = "2"
service.defaultdomain = "a.example"
service.http.listenaddr = "127.0.0.1"
service.http.port = %[5]q
service.ens.enable = "no"
factotum.admin.listen = ""
factotum.login.delay = "10"
`, slapd.Addr, ldaptest.BaseDN, ldaptest.AdminDN, ldaptest.AdminPassword, port))
	tool := func(want string, args ...string) {
		t.Helper()
		out, err := testProgram(t, "", args[0], append(args[1:], "-C", conf)...).CombinedOutput()
		if err != nil || !strings.Contains(string(out), want) {
			t.Fatalf("%q: %v, want %q\n%s", args, err, want, out)
		}
	}
	// start serves until the function that it returns is called: the list of domains is
	// read once a minute.
	url := "http://127.0.0.1:" + port
	start := func() (stop func()) {
		cmd := testProgram(t, "", "calserver", "serve", "-C", conf)
		said, ended := runServer(t, cmd)
		awaitServer(t, "ready", ended, said, func() bool { return strings.HasPrefix(getText(url+"/readyz"), "200") })
		return func() {
			tool("", "stop-cal")
			<-ended
		}
	}
	ask := func(method, path, user, body string) (int, string) {
		t.Helper()
		req, err := http.NewRequest(method, url+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		id, password, _ := strings.Cut(user, " ")
		req.SetBasicAuth(id, password)
		req.Header.Set("Content-Type", "text/calendar")
		if strings.HasPrefix(body, "<") {
			req.Header.Set("Content-Type", "text/xml")
		}
		req.Header.Set("Depth", "0")
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		text, _ := io.ReadAll(resp.Body)
		return resp.StatusCode, string(text)
	}
	const find = `<D:principal-property-search xmlns:D="DAV:"><D:property-search><D:prop><D:displayname/></D:prop><D:match>bob</D:match></D:property-search>` +
		`<D:prop><D:displayname/></D:prop></D:principal-property-search>`
	event := strings.ReplaceAll("BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:x\nBEGIN:VEVENT\nUID:a\nDTSTAMP:20260101T000000Z\nDTSTART:20260901T100000Z\nSUMMARY:Lunch\nEND:VEVENT\nEND:VCALENDAR\n", "\n", "\r\n")
	sees := func(user string, want ...string) {
		t.Helper()
		code, text := ask("REPORT", "/dav/principals/", user, find)
		for _, d := range []string{"a.example", "b.example"} {
			seen := false
			for _, w := range want {
				seen = seen || w == d
			}
			if code != http.StatusMultiStatus || strings.Contains(text, "bob of "+d) != seen {
				t.Errorf("%s finds, %d, want %q:\n%s", user, code, want, text)
			}
		}
	}

	stop := start()
	for user, want := range map[string]int{"anna a.example": 201, "anna@b.example b.example": 201, "anna b.example": 401, "anna@b.example a.example": 401} {
		id, _, _ := strings.Cut(user, " ")
		ask("PROPFIND", "/dav/calendars/"+id+"/", user, "") // which makes his calendar
		if code, text := ask("PUT", "/dav/calendars/"+id+"/calendar/a.ics", user, event); code != want {
			t.Errorf("%s: %d, want %d\n%s", user, code, want, text)
		}
	}
	tool("1 event ", "cscomponents", "count", "anna@b.example")
	tool("anna@b.example: changed", "cscal", "-a", "@^a^rsf^g", "modify", "anna@b.example")
	sees("anna a.example", "a.example")
	sees("anna@b.example b.example", "b.example")
	if code, _ := ask("GET", "/dav/calendars/anna@b.example/calendar/a.ics", "anna a.example", ""); code != http.StatusNotFound {
		t.Errorf("a calendar of another domain: %d", code)
	}
	stop()

	tool("a.example: changed", "csdomain", "-a", "searchDomainNames=b.example", "add", "a.example")
	tool("b.example: changed", "csdomain", "-a", "domainAccess=@a.example^a^lr^g", "add", "b.example")
	tool("b.example: changed", "csdomain", "-a", "userQuota=1", "add", "b.example")
	tool("domainAccess", "csdomain", "list", "b.example")
	stop = start()
	sees("anna a.example", "a.example", "b.example")
	sees("anna@b.example b.example", "b.example")
	if code, text := ask("GET", "/dav/calendars/anna@b.example/calendar/a.ics", "anna a.example", ""); code != http.StatusOK {
		t.Errorf("a calendar that is open: %d\n%s", code, text)
	}
	if code, text := ask("PUT", "/dav/calendars/anna@b.example/calendar/b.ics", "anna@b.example b.example", strings.Replace(event, "UID:a", "UID:b", 1)); code != http.StatusInsufficientStorage || !strings.Contains(text, "quota-not-exceeded") {
		t.Errorf("beyond the quota: %d\n%s", code, text)
	}
	stop()

	tool("b.example: changed", "csdomain", "-a", "statusCalendarDomain=inactive", "add", "b.example")
	stop = start()
	defer stop()
	if code, text := ask("GET", "/dav/calendars/anna@b.example/", "anna@b.example b.example", ""); code != http.StatusUnauthorized || !strings.Contains(text, "b.example is switched off") {
		t.Errorf("a domain that is off: %d\n%s", code, text)
	}
	sees("anna a.example", "a.example")
}

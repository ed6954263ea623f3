package caldav

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the golden files anew")

// step is a request of a golden file.
type step struct {
	user, method, path, body string
	headers                  []string
}

// Whole answers, byte for byte: what changes here is seen in a review.
func TestGoldenAnswers(t *testing.T) {
	calProps := propfind("D:resourcetype", "D:displayname", "D:getetag", "D:getcontenttype", "D:getlastmodified", "D:creationdate", "D:owner",
		"D:current-user-principal", "D:principal-collection-set", "D:supported-report-set", "D:sync-token", "D:add-member", "D:resource-id", "D:supported-method-set",
		"C:supported-calendar-component-set", "C:supported-calendar-data", "C:supported-collation-set", "C:calendar-description", "C:calendar-timezone-id",
		"C:schedule-calendar-transp", "C:max-resource-size", "C:max-instances", "C:max-attendees-per-instance", "C:min-date-time", "C:max-date-time",
		"CS:getctag", "A:calendar-color", "A:calendar-order", "{http://me.com/_namespace/}bulk-requests")
	for name, steps := range map[string][]step{
		"discovery": {
			{"", "PROPFIND", "/.well-known/caldav", "", nil},
			{"", "PROPFIND", "/dav/", "", nil},
			{"anna", "OPTIONS", "/dav/", "", nil},
			{"anna", "PROPFIND", "/dav/", propfind("D:current-user-principal", "D:resourcetype", "C:calendar-home-set"), []string{"Depth: 0"}},
			{"anna", "PROPFIND", "/dav/principals/anna/", propfind("C:calendar-home-set", "C:calendar-user-address-set", "CS:email-address-set", "D:displayname", "D:principal-URL", "C:schedule-inbox-URL", "C:schedule-outbox-URL"), []string{"Depth: 0"}},
			{"anna", "REPORT", "/dav/principals/", xmlHead("D:principal-search-property-set") + "</D:principal-search-property-set>", nil},
		},
		"properties": {
			{"anna", "PROPFIND", annasHome, propfind("D:resourcetype", "D:displayname", "D:owner", "D:sync-token", "CS:getctag", "D:quota-used-bytes", "D:quota-available-bytes",
				"C:supported-calendar-component-sets", "D:current-user-privilege-set"), []string{"Depth: 0"}},
			{"anna", "PROPFIND", annasCal, calProps, []string{"Depth: 0"}},
			{"ben", "PROPFIND", annasCal, propfind("D:displayname", "D:current-user-privilege-set", "D:acl"), []string{"Depth: 0"}},
			{"anna", "PROPFIND", annasCal, propfind("D:acl", "D:acl-restrictions", "D:inherited-acl-set", "D:supported-privilege-set"), []string{"Depth: 0"}},
			{"anna", "PROPFIND", annasHome + "inbox/", propfind("D:resourcetype", "D:displayname", "D:current-user-privilege-set", "D:acl", "D:inherited-acl-set", "D:supported-report-set", "C:supported-calendar-component-set", "C:schedule-default-calendar-URL", "C:calendar-free-busy-set", "C:schedule-calendar-transp"), []string{"Depth: 0"}},
			{"anna", "PROPFIND", annasHome + "outbox/", propfind("D:resourcetype", "D:current-user-privilege-set", "D:acl", "D:supported-report-set", "C:supported-calendar-component-set", "C:schedule-default-calendar-URL"), []string{"Depth: 0"}},
			{"anna", "PROPFIND", annasCal, propfind("D:getetag", "D:getcontenttype", "D:displayname"), []string{"Depth: 1"}},
			{"anna", "PROPFIND", annasCal, propfind("D:getetag", "D:displayname"), []string{"Depth: 1", "Prefer: return=minimal"}},
			{"anna", "PROPPATCH", annasCal, patch("<D:displayname>A &amp; B</D:displayname><t:x xmlns:t='urn:t'>y</t:x>"), nil},
			{"anna", "PROPPATCH", annasCal, patch("<D:displayname>C</D:displayname><D:owner/>"), nil},
		},
		"reports": {
			{"anna", "REPORT", annasCal, query(in(march), "D:getetag"), nil},
			{"anna", "REPORT", annasCal, multiget([]string{"D:getetag", "C:calendar-data"}, annasCal+"march.ics", annasCal+"none.ics"), nil},
			{"anna", "REPORT", annasCal, syncBody("", "", "D:getetag"), nil},
			{"anna", "REPORT", annasCal, syncBody("", "<D:limit><D:nresults>1</D:nresults></D:limit>", "D:getetag"), nil},
			{"anna", "REPORT", annasCal, syncBody("urn:x", "", "D:getetag"), nil},
			{"anna", "REPORT", annasHome, syncBody("", "", "D:resourcetype"), nil},
			{"anna", "REPORT", annasCal, xmlHead("D:expand-property") + `<D:property name="owner"><D:property name="displayname"/><D:property name="getetag"/></D:property></D:expand-property>`, nil},
			{"anna", "REPORT", "/dav/principals/", search("", match("D:displayname", "starts-with", "ben")), nil},
		},
		"errors": {
			{"anna", "PROPFIND", annasHome, "", []string{"Depth: infinity"}},
			{"anna", "PROPFIND", annasHome + "none/", "", []string{"Depth: 0"}},
			{"anna", "PUT", annasCal + "x.ics", "no calendar", nil},
			{"anna", "PUT", annasCal + "x.ics", event("march", "20260301T000000Z", "same UID"), nil},
			{"anna", "PUT", annasCal + "march.ics", event("march", "20260301T000000Z", "x"), []string{"If-None-Match: *"}},
			{"ben", "DELETE", annasCal + "march.ics", "", nil},
			{"anna", "DELETE", annasCal, "", nil},
			{"anna", "LOCK", annasCal, "", nil},
			{"anna", "MKCALENDAR", annasCal, "", nil},
			{"anna", "REPORT", annasCal, query(in(`<C:prop-filter name="A"><C:text-match collation="i;none">x</C:text-match></C:prop-filter>`), "D:getetag"), nil},
			{"anna", "REPORT", annasCal, xmlHead("D:version-tree") + "</D:version-tree>", nil},
			{"anna", "PROPFIND", annasCal, "<D:propfind", []string{"Depth: 0"}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := filled(t)
			var got strings.Builder
			for _, st := range steps {
				got.WriteString(s.record(st))
			}
			path := filepath.Join("testdata", name+".golden")
			if *update {
				if err := os.WriteFile(path, []byte(got.String()), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if got.String() != string(want) {
				t.Errorf("%s differs; look at the diff after go test -update\n%s", path, got.String())
			}
		})
	}
}

// record does a step and prints the answer, a line for each element.
func (s *site) record(st step) string {
	s.t.Helper()
	r := s.do(st.user, st.method, st.path, st.body, st.headers...)
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s (%s)", st.method, st.path, st.user)
	for _, h := range st.headers {
		b.WriteString(" " + h)
	}
	fmt.Fprintf(&b, "\n%d\n", r.status)
	var names []string
	for k := range r.header {
		if k != "Content-Length" && k != "Dav" {
			names = append(names, k)
		}
	}
	slices.Sort(names)
	for _, k := range names {
		fmt.Fprintf(&b, "%s: %s\n", k, strings.Join(r.header[k], ", "))
	}
	if r.body != "" {
		b.WriteString("\n" + strings.ReplaceAll(strings.TrimRight(r.body, "\n"), "><", ">\n<") + "\n")
	}
	return b.String() + "\n----\n"
}

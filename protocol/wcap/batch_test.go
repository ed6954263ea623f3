package wcap

import (
	"strings"
	"testing"
)

// outcomes are the lines UID and REQUEST-STATUS of an answer's components.
func (r *reply) outcomes() string {
	var out []string
	uid := ""
	for line := range strings.SplitSeq(strings.ReplaceAll(r.body, "\r\n ", ""), "\r\n") {
		name, v, _ := strings.Cut(line, ":")
		switch name {
		case "UID":
			uid = v
		case "REQUEST-STATUS":
			code, rest, _ := strings.Cut(v, ";")
			_, n, failed := strings.Cut(rest, ";")
			if failed {
				code += "=" + n
			}
			out = append(out, code)
		case "END":
			if (v == "VEVENT" || v == "VTODO") && len(out) > 0 {
				out[len(out)-1] = uid + " " + out[len(out)-1]
			}
		}
	}
	return strings.Join(out, ", ")
}

// TestWCAP_8_1_Batches: the errno is the first failure's, and each component
// tells its own; those that did not fail are done.
func TestWCAP_8_1_Batches(t *testing.T) {
	s := newSite(t)
	check := func(path string, errno int, want string) {
		t.Helper()
		if got := s.do("anna", path).errno(errno).outcomes(); got != want {
			t.Errorf("%s\nanswers %s\nwant    %s", path, got, want)
		}
	}
	check("storeevents.wcap?calid=anna&uid=a;b&storetype=1&dtstart=20260310T090000Z", 0, "a 2.0, b 2.0")
	check("storeevents.wcap?calid=anna&uid=b;c;a&storetype=1&dtstart=20260310T090000Z", 63, "b 3.7=63, c 2.0, a 3.7=63")
	check("storeevents.wcap?calid=anna&uid=a;none;c&storetype=2&summary=x", 62, "a 2.0, none 3.1=62, c 2.0")
	check("storeevents.wcap?calid=anna&uid=none;a&rid=0;0&storetype=2&mod=4&summary=y&fetch=1", 62, "none 3.1=62, a 2.0")
	check("deleteevents_by_id.wcap?calid=anna&uid=a;none;c&rid=0;0;0&mod=4;4;4", 59, "a 2.0, none 3.1=59, c 2.0")
	s.do("anna", "verifyevents_by_ids.wcap?calid=anna&uid=a;b;c&rid=0;0;0").errno(0).contains("UID:a", "UID:c").lacks("UID:b")
	s.do("anna", "deleteevents_by_id.wcap?calid=anna&uid=none&rid=0&mod=4&fmt-out=text/xml").errno(59).contains("<RSTATUS>3.1;Failed. No such component.;59</RSTATUS>")

	// Nothing of a refused item is there, whatever else it brought.
	s.do("anna", "set_calprops.wcap?calid=anna&doublebooking=0").errno(0)
	r := s.upload("anna", "storeevents.wcap?calid=anna&uid=d;e&dtstart=20260310T093000Z&dtend=20260310T100000Z&rrules=\"FREQ%3DDAILY%3BCOUNT%3D2\"",
		[2]string{"Content-Disposition: form-data; name=f; filename=x", "data"}).errno(40)
	if got := r.outcomes(); got != "d 2.0, e 3.7=40" {
		t.Errorf("%s\n%s", got, r.body)
	}
	s.do("anna", "fetchevents_by_id.wcap?calid=anna&uid=e").errno(59)
	s.do("anna", "fetchevents_by_id.wcap?calid=anna&uid=d&recurring=1").errno(0).contains("X-S1CS-ATTACH-ID")
}

// TestWCAP_9_26_ImportInPart: errno 35 names what did not come in.
func TestWCAP_9_26_ImportInPart(t *testing.T) {
	s := newSite(t)
	file := strings.ReplaceAll("BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:-//Test//EN\nBEGIN:VTIMEZONE\nTZID:X\nBEGIN:STANDARD\nDTSTART:19700101T000000\nTZOFFSETFROM:+0100\nTZOFFSETTO:+0100\nEND:STANDARD\nEND:VTIMEZONE\n"+
		"BEGIN:VEVENT\nUID:good\nDTSTAMP:20260101T000000Z\nDTSTART:20260310T090000Z\nEND:VEVENT\n"+
		"BEGIN:VTODO\nUID:bad\nDTSTAMP:20260101T000000Z\nDTSTART:nonsense\nRRULE:FREQ=NEVER\nEND:VTODO\n"+
		"BEGIN:VFREEBUSY\nUID:busy\nDTSTAMP:20260101T000000Z\nEND:VFREEBUSY\nEND:VCALENDAR\n", "\n", "\r\n")
	r := s.post("import.wcap?calid=anna&content-in=text/calendar&id="+s.as("anna"), "text/calendar", file).errno(35)
	r.contains("BEGIN:VTODO\r\nUID:bad\r\nREQUEST-STATUS:3.7;Failed. Import failed.;35\r\n", "BEGIN:VFREEBUSY\r\nUID:busy\r\nREQUEST-STATUS:3.7;").lacks("UID:good")
	if !strings.Contains(r.body, "X-NSCP-WCAP-ERRNO:35\r\nBEGIN") {
		t.Errorf("the errno is not first:\n%s", r.body)
	}
	s.do("anna", "fetchevents_by_id.wcap?calid=anna&uid=good").errno(0)
	s.do("anna", "fetchtodos_by_id.wcap?calid=anna&uid=bad").errno(59)
}

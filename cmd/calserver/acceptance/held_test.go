package acceptance

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"factotum/cmd/internal/freeport"
	"factotum/cmd/internal/hosttest"
)

// heldItem is one that csimip held lists.
type heldItem struct{ ID, Reason, Method, Sender, UID, Summary, Data string }

// takesMail is a host to which a mail system hands in mail, with who does so.
func takesMail(t *testing.T, lines ...string) (h *host, hand func(mail string, to ...string)) {
	t.Helper()
	lmtp := "127.0.0.1:" + strconv.Itoa(freeport.Take(t, "127.0.0.1"))
	h = installed(t, append(lines, `factotum.imip.lmtp.listen = "`+lmtp+`"`, `factotum.imip.authservid = "mx.example.com"`)...).start(t)
	return h, func(mail string, to ...string) {
		t.Helper()
		for _, a := range handIn(t, lmtp, mail, to...) {
			if !strings.HasPrefix(a, "250 ") {
				t.Errorf("answered %s\nto\n%s", a, mail)
			}
		}
	}
}

// stamped is a mail whose message was made at another time.
func stamped(mail string, at time.Time) string {
	return regexp.MustCompile(`DTSTAMP:\S+`).ReplaceAllString(mail, "DTSTAMP:"+at.UTC().Format("20060102T150405Z"))
}

// answered reports whether somebody's answer is in a meeting.
func answered(meeting, who, partstat string) bool {
	return regexp.MustCompile(`ATTENDEE;PARTSTAT=` + partstat + `[^:]*:mailto:` + regexp.QuoteMeta(who)).MatchString(meeting)
}

// passedOn is a mail with another in it, as programs forward them.
func passedOn(by, mail string) string {
	return strings.Join([]string{"Authentication-Results: " + proven(by[strings.IndexByte(by, '@')+1:]), "From: <" + by + ">", "To: anna@example.com", "Subject: Fwd: A meeting",
		"Date: " + time.Now().UTC().Format(time.RFC1123Z), "Message-ID: <fwd@" + by + ">", "MIME-Version: 1.0", `Content-Type: multipart/mixed; boundary="out"`, "",
		"--out", "Content-Type: text/plain", "", "Look", "--out", "Content-Type: message/rfc822", "", mail, "--out--", ""}, "\r\n")
}

// TestHeld: what a stranger sends, what is forged, passed on, said to be spam, or was
// meant for another, changes nothing, whichever protocol the meeting was made by; why
// tells the reason, csimip held shows it, and it is accepted or rejected. What comes a
// second time says nothing new. docs/admin.md, "What is held".
func TestHeld(t *testing.T) {
	t.Parallel()
	h, hand := takesMail(t)
	h.visit(t, "anna", "ben")
	why := func(about string) string { out, _ := calserver(t, "why", "-C", h.conf, about); return out }
	held := func(want int, args ...string) string {
		t.Helper()
		code, out := piped(t, "", append([]string{"held", "-C", h.conf}, args...)...)
		if code != want {
			t.Errorf("csimip held %q: exit %d, want %d\n%s", args, code, want, out)
		}
		return out
	}
	list := func(user string) (items []heldItem) {
		t.Helper()
		if err := json.Unmarshal([]byte(held(0, "--json", "list", user)), &items); err != nil {
			t.Fatal(err)
		}
		return items
	}
	day := time.Now().AddDate(0, 1, 0).Format("20060102")
	made := map[string]func(){
		"caldav": func() {
			h.do(t, "anna", "PUT", cal("anna")+"caldav.ics", meetingWith("caldav", "zoe@far.example"), "Content-Type: text/calendar").is(http.StatusCreated)
		},
		"wcap": func() {
			h.wcap(t, "anna", "/storeevents.wcap?calid=anna&uid=wcap&storetype=1&method=2&summary=Lunch&dtstart="+day+"T100000Z&dtend="+day+"T110000Z&attendees=PARTSTAT=NEEDS-ACTION%5Emailto:zoe@far.example")
		},
	}
	for _, uid := range []string{"caldav", "wcap"} {
		made[uid]()
		object := func() string {
			return unfolded(h.everything(t, "anna", cal("anna"))[uid+".ics"])
		}
		answer := func(id, from, results, who, partstat string) string {
			return fromOutside(uid+id, from, results, "REPLY", "UID:"+uid, "ATTENDEE;PARTSTAT="+partstat+":mailto:"+who)
		}
		zoe, eve := "zoe@far.example", "eve@evil.example"
		eventuallyShows(t, "what became of the invitation", object, "SCHEDULE-STATUS=5.1") // nothing is mailed here
		before := object()
		hand(answer("stranger", eve, proven("evil.example"), eve, "ACCEPTED"), "anna@example.com")
		hand(answer("forged", zoe, "mx.example.com; dmarc=fail header.from=far.example", zoe, "DECLINED"), "anna@example.com")
		hand(answer("unproven", zoe, "", zoe, "DECLINED"), "anna@example.com")
		hand(answer("another", eve, proven("evil.example"), zoe, "DECLINED"), "anna@example.com")
		hand(passedOn(eve, answer("inner", zoe, proven("far.example"), zoe, "DECLINED")), "anna@example.com")
		hand("X-Spam-Flag: YES\r\n"+answer("spam", zoe, proven("far.example"), zoe, "DECLINED"), "anna@example.com")
		if now := object(); now != before {
			t.Errorf("what is held changed the meeting from\n%s\nto\n%s", before, now)
		}
		told := why(uid)
		of := map[string]string{}
		for _, item := range list("anna") {
			if item.UID == uid {
				of[item.Reason] = item.ID
			}
		}
		for _, reason := range []string{"not-invited", "dmarc-failed", "sender-unproven", "sent-by-another", "forwarded", "spam"} {
			if n := strings.Count(told, "\theld\tREPLY\t"+reason+"\t"); n != 1 || of[reason] == "" {
				t.Errorf("%s: %d times in the journal, item %q\n%s", reason, n, of[reason], told)
			}
		}
		// Shown as it came; in the user's own inbox too.
		if s := held(0, "show", "anna", of["sent-by-another"]); !strings.Contains(s, "X-FACTOTUM-SENDER:"+eve) || !strings.Contains(s, "PARTSTAT=DECLINED:mailto:"+zoe) {
			t.Errorf("shown:\n%s", s)
		}
		if s := unfolded(h.do(t, "anna", "GET", home("anna")+"inbox/"+of["forwarded"], "").is(200).body); !strings.Contains(s, "X-FACTOTUM-HELD:forwarded") {
			t.Errorf("in the inbox:\n%s", s)
		}
		if s := unfolded(h.wcap(t, "anna", "/fetch_held.wcap?")); strings.Count(s, "UID:"+uid+"\n") != 6 || !strings.Contains(s, "X-FACTOTUM-ITEM:"+of["spam"]) || !strings.Contains(s, "X-FACTOTUM-HELD:dmarc-failed\n") {
			t.Errorf("over WCAP:\n%s", s)
		}
		// One by one: the stranger is invited with his answer, what is unproven counts,
		// what was rejected does not.
		held(0, "accept", "anna", of["not-invited"])
		held(0, "accept", "anna", of["sender-unproven"])
		held(0, "reject", "anna", of["sent-by-another"])
		h.wcap(t, "anna", "/decide_held.wcap?decision=reject&item="+of["forwarded"])
		held(1, "accept", "anna", of["forwarded"])
		held(0, "--all-from", zoe, "reject", "anna")
		if s := object(); !answered(s, eve, "ACCEPTED") || !answered(s, zoe, "DECLINED") {
			t.Errorf("after the decisions:\n%s", s)
		}
		told = why(uid)
		if n := strings.Count(told, "\tapplied\tREPLY\tanswered\t"); n != 2 {
			t.Errorf("%d were applied:\n%s", n, told)
		}
		if n := strings.Count(told, "\tignored\tREPLY\trejected\t"); n != 4 {
			t.Errorf("%d were rejected:\n%s", n, told)
		}
		if out := held(0, "list", "anna"); !strings.Contains(out, "nothing is held") {
			t.Errorf("left:\n%s", out)
		}

		// A replay: of the last answer it says nothing new, one before is held.
		first := stamped(answer("first", zoe, proven("far.example"), zoe, "TENTATIVE"), time.Now().Add(time.Minute))
		hand(first, "anna@example.com")
		hand(strings.Replace(first, "Message-ID: <", "Message-ID: <again-", 1), "anna@example.com")
		hand(stamped(answer("second", zoe, proven("far.example"), zoe, "ACCEPTED"), time.Now().Add(2*time.Minute)), "anna@example.com")
		now := object()
		hand(strings.Replace(first, "Message-ID: <", "Message-ID: <once-more-", 1), "anna@example.com")
		if s := object(); s != now || !answered(s, zoe, "ACCEPTED") {
			t.Errorf("a replay counts:\n%s", s)
		}
		hand(first, "anna@example.com") // the very mail
		if told = why(uid); strings.Count(told, "\tignored\tREPLY\tunchanged\t") != 1 || strings.Count(told, "\theld\tREPLY\treplayed\t") != 2 || object() != now {
			t.Errorf("the journal of a replay:\n%s", told)
		}
		held(0, "--all-from", zoe, "accept", "anna") // she knows that it is late, and true
		if s := object(); !answered(s, zoe, "TENTATIVE") {
			t.Errorf("after the decision:\n%s", s)
		}
	}

	// Invitations: one that was for somebody else is sent on as it was, with its proof;
	// one is passed on; one has another organizer; one nobody waits for.
	invite := func(uid, from, to string, more ...string) string {
		return fromOutside(uid, from, proven(from[strings.IndexByte(from, '@')+1:]), "REQUEST", append([]string{"UID:" + uid, "DTSTART:" + day + "T150000Z", "DTEND:" + day + "T160000Z",
			"SUMMARY:Tea", "ORGANIZER:mailto:" + from, "ATTENDEE;RSVP=TRUE;PARTSTAT=NEEDS-ACTION:mailto:" + to}, more...)...)
	}
	hand(invite("replayed", "yan@far.example", "ben@example.com"), "anna@example.com")
	hand(passedOn("eve@evil.example", invite("passed-on", "yan@far.example", "anna@example.com")), "anna@example.com")
	hand(invite("unasked", "yan@far.example", "anna@example.com"), "anna@example.com")
	held(0, "accept", "anna", "unasked")
	hand(strings.ReplaceAll(invite("unasked", "eve@evil.example", "anna@example.com", "SEQUENCE:1"), "SUMMARY:Tea", "SUMMARY:Mine now"), "anna@example.com")
	for uid, reasons := range map[string][]string{"replayed": {"not-addressed"}, "passed-on": {"forwarded"}, "unasked": {"unsolicited", "organizer-changed"}} {
		told := why(uid)
		for _, reason := range reasons {
			if strings.Count(told, "\theld\tREQUEST\t"+reason+"\t") != 1 {
				t.Errorf("%s is not held as %s:\n%s", uid, reason, told)
			}
		}
	}
	if s := h.shown(t, "anna"); !strings.Contains(s, "UID:unasked") || strings.Contains(s, "Mine now") || strings.Contains(s, "UID:replayed") || strings.Contains(s, "UID:passed-on") {
		t.Errorf("anna has\n%s", s)
	}
	held(0, "--remember", "--all-from", "yan@far.example", "accept", "anna")
	if s := h.shown(t, "anna"); !strings.Contains(s, "UID:replayed") {
		t.Errorf("anna has\n%s", s)
	}
	hand(invite("next", "yan@far.example", "anna@example.com"), "anna@example.com") // she said that he is let in
	if s := h.shown(t, "anna"); !strings.Contains(s, "UID:next") {
		t.Errorf("anna has\n%s\n%s", s, why("next"))
	}
	held(1, "list", "nobody")
	held(2, "accept", "anna")
}

// spamd runs SpamAssassin's daemon with two rules of its own: the text by which all
// filters are tried, and none.
func spamd(t *testing.T) (address string) {
	t.Helper()
	program := tool(t, "spamd")
	dir := t.TempDir()
	hosttest.Write(t, filepath.Join(dir, "site", "init.pre"), "loadplugin Mail::SpamAssassin::Plugin::Check\n")
	hosttest.Write(t, filepath.Join(dir, "site", "local.cf"), "required_score 5\n")
	hosttest.Write(t, filepath.Join(dir, "rules", "rules.cf"), `body GTUBE /XJS\*C4JDBQADN1\.NSBN3\*2IDNEN\*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL\*C\.34X/`+"\nscore GTUBE 1000\n")
	for d := dir; d != os.TempDir() && d != "/"; d = filepath.Dir(d) { // it has a user of its own
		if err := os.Chmod(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if out, err := exec.Command("chmod", "-R", "a+rX", dir).CombinedOutput(); err != nil {
		t.Fatalf("%v %s", err, out)
	}
	port := strconv.Itoa(freeport.Take(t, "127.0.0.1"))
	cmd := exec.Command(program, "--local", "--nouser-config", "--configpath="+filepath.Join(dir, "rules"), "--siteconfigpath="+filepath.Join(dir, "site"),
		"--listen=127.0.0.1:"+port, "--max-children=1", "--min-children=1", "--syslog=stderr")
	if os.Getuid() == 0 {
		cmd.Args = append(cmd.Args, "--username=nobody")
	}
	log := &hosttest.Buffer{}
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Signal(syscall.SIGTERM) // its children end with it
		cmd.Wait()
		if t.Failed() {
			t.Logf("spamd:\n%s", log)
		}
	})
	address = "127.0.0.1:" + port
	for end := time.Now().Add(hosttest.Patience); ; time.Sleep(20 * time.Millisecond) {
		if c, err := net.Dial("tcp", address); err == nil {
			c.Close()
			return address
		}
		if time.Now().After(end) {
			t.Fatalf("spamd does not listen:\n%s", log)
		}
	}
}

const gtube = "XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X"

// TestSpamAssassin: what Debian's spamd calls spam is held, or refused where the site
// says so; the same without the words that it looks for comes into the calendar.
func TestSpamAssassin(t *testing.T) {
	t.Parallel()
	address := spamd(t)
	day := time.Now().AddDate(0, 1, 0).Format("20060102")
	invite := func(uid, words string) string { // with a text beside it: SpamAssassin reads no text/calendar
		head, body, _ := strings.Cut(fromOutside(uid, "zoe@far.example", proven("far.example"), "REQUEST", "UID:"+uid, "DTSTART:"+day+"T150000Z", "DTEND:"+day+"T160000Z",
			"SUMMARY:Offer", "ORGANIZER:mailto:zoe@far.example", "ATTENDEE;RSVP=TRUE:mailto:anna@example.com"), "\r\n\r\n")
		head, media, _ := strings.Cut(head, "\r\nContent-Type: ")
		return strings.Join([]string{head, `Content-Type: multipart/alternative; boundary="b"`, "", "--b", "Content-Type: text/plain", "", words, "--b", "Content-Type: " + media, "", body, "--b--", ""}, "\r\n")
	}
	h, hand := takesMail(t, `factotum.imip.spamd = "`+address+`"`, `factotum.imip.unsolicited = "add"`)
	h.visit(t, "anna")
	hand(invite("spam", gtube), "anna@example.com")
	hand(invite("ham", "Come and see"), "anna@example.com")
	if s := h.shown(t, "anna"); strings.Contains(s, "UID:spam") || !strings.Contains(s, "UID:ham") {
		t.Errorf("anna has\n%s", s)
	}
	if told, _ := calserver(t, "why", "-C", h.conf, "spam"); !strings.Contains(told, "\theld\tREQUEST\tspam\t") {
		t.Errorf("why:\n%s", told)
	}

	lmtp := "127.0.0.1:" + strconv.Itoa(freeport.Take(t, "127.0.0.1"))
	h = installed(t, `factotum.imip.lmtp.listen = "`+lmtp+`"`, `factotum.imip.authservid = "mx.example.com"`, `factotum.imip.unsolicited = "add"`,
		`factotum.imip.spamd = "`+address+`"`, `factotum.imip.spamd.verdict = "refuse"`).start(t)
	h.visit(t, "anna")
	for uid, want := range map[string]string{"spam": "550 5.7.1 ", "ham": "250 "} {
		words := map[string]string{"spam": gtube, "ham": "Come and see"}[uid]
		if a := handIn(t, lmtp, invite(uid, words), "anna@example.com"); len(a) != 1 || !strings.HasPrefix(a[0], want) {
			t.Errorf("%s: answers %q, want %s", uid, a, want)
		}
	}
	if s := h.shown(t, "anna"); strings.Contains(s, "UID:spam") || !strings.Contains(s, "UID:ham") {
		t.Errorf("anna has\n%s", s)
	}
}

// TestMailPeers: who may hand in mail by TCP: this host alone, or who is named, and
// then this host only if it is. A socket of the file system asks nobody.
func TestMailPeers(t *testing.T) {
	t.Parallel()
	greeting := func(t *testing.T, from, to string) string {
		t.Helper()
		d := net.Dialer{Timeout: hosttest.Patience, LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
		c, err := d.Dial("tcp", to)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		c.SetDeadline(time.Now().Add(hosttest.Patience))
		line := make([]byte, 4)
		if _, err := c.Read(line); err != nil {
			t.Fatal(err)
		}
		return string(line[:3])
	}
	for name, c := range map[string]struct {
		peers string
		want  map[string]string // by the address that it comes from
	}{
		"one and a network": {"127.0.0.2, 127.0.1.0/24", map[string]string{"127.0.0.2": "220", "127.0.1.77": "220", "127.0.0.1": "554", "127.0.2.1": "554"}},
		"nobody is named":   {"", map[string]string{"127.0.0.1": "220", "127.0.0.2": "220"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			lmtp, smtp := "127.0.0.1:"+strconv.Itoa(freeport.Take(t, "127.0.0.1")), "127.0.0.1:"+strconv.Itoa(freeport.Take(t, "127.0.0.1"))
			h := installed(t, `factotum.imip.peers = "`+c.peers+`"`, `factotum.imip.lmtp.listen = "`+lmtp+`"`, `factotum.imip.smtp.listen = "`+smtp+`"`).start(t)
			h.visit(t, "anna")
			for from, want := range c.want {
				for _, to := range []string{lmtp, smtp} {
					if got := greeting(t, from, to); got != want {
						t.Errorf("%s is answered %s at %s, want %s", from, got, to, want)
					}
				}
			}
			// csimip comes by the socket.
			if code, out := piped(t, "Subject: Hello\r\n\r\nNothing.\r\n", "-C", h.conf, "anna@example.com"); code != 0 {
				t.Errorf("csimip: exit %d\n%s", code, out)
			}
			if c.peers != "" && !strings.Contains(h.log.String()+fmt.Sprint(logsOf(t, h)), "may not hand in mail") {
				t.Error("nothing tells the administrator that somebody was sent away")
			}
		})
	}
}

// logsOf is what a host has written into its log files.
func logsOf(t *testing.T, h *host) (all string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(h.dir, "data", "*", "*.log"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		all += string(text)
	}
	return all
}

package acceptance

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"factotum/cmd/internal/freeport"
	"factotum/cmd/internal/hosttest"
)

// thunderbird is the mail and calendar program without a display, driven
// through Marionette, its remote protocol: each message is its length, a colon
// and JSON.
type thunderbird struct {
	t    testing.TB
	conn net.Conn
	in   *bufio.Reader
	last int
	log  *hosttest.Buffer
}

// newThunderbird starts it with a profile of its own, which ends with the test.
func newThunderbird(t testing.TB) *thunderbird {
	t.Helper()
	home, port := t.TempDir(), freeport.Take(t, "127.0.0.1")
	profile := filepath.Join(home, "profile")
	hosttest.Write(t, filepath.Join(profile, "user.js"), fmt.Sprintf(`user_pref("marionette.port", %d);
user_pref("datareporting.policy.dataSubmissionEnabled", false);
user_pref("app.update.enabled", false);
user_pref("mail.provider.suppress_dialog_on_startup", true);
user_pref("mailnews.start_page.enabled", false);
user_pref("services.settings.server", "");
user_pref("calendar.timezone.local", "Europe/Berlin");
`, port))
	b := &thunderbird{t: t, log: &hosttest.Buffer{}}
	cmd := exec.Command(tool(t, "thunderbird"), "--profile", profile, "--marionette", "--no-remote", "-remote-allow-system-access")
	cmd.Env = append(os.Environ(), "HOME="+home, "MOZ_HEADLESS=1")
	cmd.Stdout, cmd.Stderr = b.log, b.log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		cmd.Wait()
		close(done)
	}()
	t.Cleanup(func() {
		syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // its helpers too
		<-done
		if t.Failed() {
			for line := range strings.SplitSeq(b.log.String(), "\n") {
				if strings.Contains(line, "JavaScript") {
					t.Logf("Thunderbird says: %s", line)
				}
			}
		}
	})
	for deadline := time.Now().Add(2 * time.Minute); ; time.Sleep(50 * time.Millisecond) {
		var err error
		if b.conn, err = net.Dial("tcp", "127.0.0.1:"+strconv.Itoa(port)); err == nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("Thunderbird does not start: %v", err)
		}
	}
	t.Cleanup(func() { b.conn.Close() })
	b.in = bufio.NewReader(b.conn)
	b.receive() // its greeting
	b.command("WebDriver:NewSession", map[string]any{})
	b.command("WebDriver:SetTimeouts", map[string]any{"script": 120_000}) // milliseconds
	b.command("Marionette:SetContext", map[string]any{"value": "chrome"})
	return b
}

func (b *thunderbird) receive() json.RawMessage {
	b.t.Helper()
	b.conn.SetReadDeadline(time.Now().Add(3 * time.Minute))
	head, err := b.in.ReadString(':')
	if err != nil {
		b.t.Fatalf("Thunderbird: %v", err)
	}
	n, err := strconv.Atoi(strings.TrimSuffix(head, ":"))
	if err != nil {
		b.t.Fatalf("Thunderbird: %v", err)
	}
	message := make([]byte, n)
	if _, err := io.ReadFull(b.in, message); err != nil {
		b.t.Fatalf("Thunderbird: %v", err)
	}
	return message
}

// command sends one of Marionette's commands and returns its result.
func (b *thunderbird) command(name string, params any) json.RawMessage {
	b.t.Helper()
	b.last++
	message, err := json.Marshal([]any{0, b.last, name, params})
	if err != nil {
		b.t.Fatal(err)
	}
	if _, err := fmt.Fprintf(b.conn, "%d:%s", len(message), message); err != nil {
		b.t.Fatalf("Thunderbird: %v", err)
	}
	var reply [4]json.RawMessage
	if err := json.Unmarshal(b.receive(), &reply); err != nil {
		b.t.Fatalf("Thunderbird: %v", err)
	}
	if string(reply[2]) != "null" {
		b.t.Fatalf("Thunderbird: %s: %.2000s", name, reply[2])
	}
	return reply[3]
}

// What the scripts of the test share: anna's calendar, its items, and the text
// of an item put through Thunderbird's own parser.
const thunderbirdTools = `
const {cal} = ChromeUtils.importESModule("resource:///modules/calendar/calUtils.sys.mjs");
const mine = () => cal.manager.getCalendars().find(c => c.type == "caldav");
const items = () => mine().getItemsAsArray(Ci.calICalendar.ITEM_FILTER_ALL_ITEMS, 0, null, null);
const titles = async () => (await items()).map(i => i.id + ": " + i.title).sort();
const item = async id => (await items()).find(i => i.id == id);
const parsed = text => {
	const p = Cc["@mozilla.org/calendar/ics-parser;1"].createInstance(Ci.calIIcsParser);
	p.parseString(text);
	return p.getItems()[0];
};
const until = (why, what) => new Promise((resolve, reject) => {
	const timer = Cc["@mozilla.org/timer;1"].createInstance(Ci.nsITimer), end = Date.now() + 60000;
	timer.initWithCallback({async notify() {
		try {
			const got = await what();
			if (got) { timer.cancel(); resolve(got); }
			else if (Date.now() > end) { timer.cancel(); reject(why + ": " + JSON.stringify(await titles())); }
		} catch (e) { timer.cancel(); reject(e); }
	}}, 50, Ci.nsITimer.TYPE_REPEATING_SLACK);
});
const day = (i, date) => i.recurrenceInfo.getOccurrences(cal.createDateTime(date + "T000000Z"), cal.createDateTime(date + "T235900Z"), 0)[0];
`

// run runs a script inside of Thunderbird and returns what it returns.
func (b *thunderbird) run(script string, args ...any) any {
	b.t.Helper()
	script = `const done = arguments[arguments.length-1], args = arguments; (async () => {` + thunderbirdTools + script + `})().then(v => done({value: v ?? null}), e => done({error: String(e) + " " + (e?.stack ?? "")}))`
	if args == nil {
		args = []any{}
	}
	var reply struct {
		Value struct {
			Value any
			Error string
		}
	}
	if err := json.Unmarshal(b.command("WebDriver:ExecuteAsyncScript", map[string]any{"script": script, "args": args, "newSandbox": true, "sandbox": "system"}), &reply); err != nil {
		b.t.Fatal(err)
	}
	if reply.Value.Error != "" {
		b.t.Fatalf("Thunderbird: %s", reply.Value.Error)
	}
	return reply.Value.Value
}

// synced asks for a synchronization until the items are those.
func (b *thunderbird) synced(want ...string) {
	b.t.Helper()
	b.run(`mine().refresh(); return until("after the synchronization", async () => { const got = JSON.stringify(await titles()); if (got != JSON.stringify(args[0] ?? [])) { mine().refresh(); return false } return true })`, want)
}

// subscribe adds a user's calendar.
func (b *thunderbird) subscribe(h *host, user string) {
	b.t.Helper()
	b.run(`
const login = Cc["@mozilla.org/login-manager/loginInfo;1"].createInstance(Ci.nsILoginInfo);
login.init(args[0], null, args[3], args[4], args[1], "", "");
await Services.logins.addLoginAsync(login);
const c = cal.manager.createCalendar("caldav", Services.io.newURI(args[2]));
c.name = args[4]; c.setProperty("username", args[4]); c.setProperty("cache.enabled", true);
cal.manager.registerCalendar(c);
await until("the calendar can be written", () => !mine().readOnly && !mine().getProperty("disabled"));`, h.base, password(user), h.base+cal(user), "Calendar", user)
}

// Thunderbird itself, not what is known of it: finds the calendar from the
// server's address, writes an event that repeats, moves one instance and
// deletes another, takes in what others write, change and delete, and writes a
// task.
func TestThunderbird(t *testing.T) {
	if os.Getenv("FACTOTUM_LONG") == "" {
		t.Skip("too heavy for every run: make clients")
	}
	everywhere(t, driveThunderbird)
}

func driveThunderbird(t *testing.T, h *host) {
	b := newThunderbird(t)
	base := cal("anna")
	found := b.run(`
const found = [];
for (const [provider, calendars] of await cal.provider.detection.detect("anna", args[1], args[0] + "/", false, [], {}))
	for (const c of calendars) found.push(provider.type + " " + c.uri.spec + " " + c.readOnly);
return found;`, h.base, password("anna")).([]any)
	if want := []any{"caldav " + h.base + base + " false"}; !slices.Equal(found, want) {
		t.Fatalf("found %v, want %v", found, want)
	}
	b.subscribe(h, "anna")

	// An event of its own.
	b.run(`await mine().addItem(parsed(args[0]))`, event("mine", "20261123T090000Z", "Stand-up", "RRULE:FREQ=DAILY;COUNT=10"))
	text := h.do(t, "anna", "GET", base+"mine.ics", "").is(200).body
	if !strings.Contains(text, "SUMMARY:Stand-up") || !strings.Contains(text, "RRULE:FREQ=DAILY;COUNT=10") {
		t.Fatalf("the event came as\n%s", text)
	}

	// One instance moved, another deleted.
	b.run(`
const old = await item("mine"), now = old.clone(), one = day(old, "20261125").clone();
one.title = "Stand-up, later";
for (const k of ["startDate", "endDate"]) { const d = one[k].clone(); d.hour += 2; one[k] = d; }
now.recurrenceInfo.modifyException(one, true);
now.recurrenceInfo.removeOccurrenceAt(day(old, "20261126").recurrenceId);
await mine().modifyItem(now, old);`)
	text = h.do(t, "anna", "GET", base+"mine.ics", "").is(200).body
	for _, line := range []string{"RECURRENCE-ID:20261125T090000Z", "DTSTART:20261125T110000Z", `SUMMARY:Stand-up\, later`, "EXDATE:20261126T090000Z"} {
		if !strings.Contains(text, line) {
			t.Fatalf("no %s in\n%s", line, text)
		}
	}

	// What others do.
	h.do(t, "anna", "PUT", base+"mine.ics", strings.Replace(text, "SUMMARY:Stand-up\r\n", "SUMMARY:Changed elsewhere\r\n", 1)).is(204)
	h.do(t, "anna", "PUT", base+"theirs.ics", event("theirs", "20261124T120000Z", "Lunch with Zoë")).is(201)
	b.synced("mine: Changed elsewhere", "theirs: Lunch with Zoë")
	if got := b.run(`return day(await item("mine"), "20261125").title`); got != "Stand-up, later" {
		t.Errorf("the moved instance came back as %v", got)
	}
	h.do(t, "anna", "DELETE", base+"theirs.ics", "").is(204)
	b.synced("mine: Changed elsewhere")

	// A task, changed by either side, and deleted.
	b.run(`await mine().addItem(parsed(args[0]))`, strings.ReplaceAll(event("task", "20261130T080000Z", "Aufgabe ✓"), "VEVENT", "VTODO"))
	text = h.do(t, "anna", "GET", base+"task.ics", "").is(200).body
	if !strings.Contains(text, "SUMMARY:Aufgabe ✓") || !strings.Contains(text, "BEGIN:VTODO") {
		t.Fatalf("the task came as\n%s", text)
	}
	b.run(`const old = await item("task"), now = old.clone(); now.isCompleted = true; await mine().modifyItem(now, old)`)
	if text = h.do(t, "anna", "GET", base+"task.ics", "").is(200).body; !strings.Contains(text, "STATUS:COMPLETED") {
		t.Fatalf("the task that is done came as\n%s", text)
	}
	b.run(`await mine().deleteItem(await item("mine")); await mine().deleteItem(await item("task"))`)
	if left := h.everything(t, "anna", base); len(left) != 0 {
		t.Errorf("left after Thunderbird deleted all: %v", left)
	}
	b.synced()
	h.healthy(t)
}

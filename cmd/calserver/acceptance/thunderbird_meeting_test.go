package acceptance

import (
	"os"
	"strings"
	"testing"
	"time"

	"factotum/cmd/internal/hosttest"
)

// What the scripts of a meeting share: who the program takes its user for, and
// what it shows of a meeting.
const thunderbirdMeeting = `
const me = () => mine().getProperty("organizerId");
const shown = async id => {
	const i = await item(id);
	if (!i) return "nothing";
	const who = i.getAttendees().map(a => a.id.toLowerCase() + "=" + a.participationStatus).sort().join(" ");
	return [i.title, i.startDate.icalString, i.status ?? "", i.organizer?.id.toLowerCase(), who].join(", ");
};
const shows = (id, want) => {
	mine().refresh();
	let last = "";
	return until("the meeting", async () => {
		last = await shown(id);
		if (last != want) mine().refresh();
		return last == want;
	}).catch(e => { throw new Error("it shows " + last + ", want " + want + "; " + e) });
};
// It writes upon the ETag that it knows, and asks its user where that is another
// one, as after an answer that came meanwhile.
const fresh = () => new Promise(resolve => {
	const nothing = Object.fromEntries(["onStartBatch", "onEndBatch", "onAddItem", "onModifyItem", "onDeleteItem", "onError", "onPropertyChanged", "onPropertyDeleting"].map(n => [n, () => {}]));
	const o = {...nothing, QueryInterface: ChromeUtils.generateQI(["calIObserver"]), onLoad() { mine().removeObserver(o); resolve(); }};
	mine().addObserver(o);
	mine().refresh();
});
// As its dialogs do: the attendee whom it takes for its user answers.
const answer = async (id, partstat) => {
	const old = await item(id), now = old.clone();
	const mineToo = cal.itip.getInvitedAttendee(now, mine());
	if (!mineToo) throw new Error("nobody of this calendar is invited: " + await shown(id));
	const attendee = mineToo.clone();
	attendee.participationStatus = partstat;
	now.removeAttendee(mineToo);
	now.addAttendee(attendee);
	await mine().modifyItem(now, old);
};
`

// delivered waits until no message is on its way.
func (h *host) delivered(t testing.TB) {
	t.Helper()
	store := h
	if h.store != nil {
		store = h.store
	}
	for deadline := time.Now().Add(hosttest.Patience); ; time.Sleep(100 * time.Millisecond) {
		out, err := calserver(t, "csschedule", "-C", store.conf, "-j", "list")
		if err != nil {
			t.Fatalf("list the messages: %v\n%s", err, out)
		}
		if strings.TrimSpace(out) == "[]" {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("these wait:\n%s", out)
		}
	}
}

// meets waits until Thunderbird shows a meeting so: title, start, status, organizer
// and attendees with their answers.
func (b *thunderbird) meets(uid, want string) {
	b.t.Helper()
	b.run(thunderbirdMeeting+`return shows(args[0], args[1])`, uid, want)
}

// Two Thunderbirds: one invites, the other accepts, the organizer sees it; then
// she moves it, he is asked again and declines; and when she deletes it he sees
// that it is off.
func TestThunderbirdMeeting(t *testing.T) {
	if os.Getenv("FACTOTUM_LONG") == "" {
		t.Skip("too heavy for every run: make clients")
	}
	everywhere(t, func(t *testing.T, h *host) {
		anna, ben := newThunderbird(t), newThunderbird(t)
		for user, b := range map[string]*thunderbird{"anna": anna, "ben": ben} {
			b.subscribe(h, user)
			if got := b.run(thunderbirdMeeting + `await until("who the user is", me); return me().toLowerCase()`); got != "mailto:"+user+"@example.com" {
				t.Fatalf("%s is taken for %v", user, got)
			}
		}
		change := func(b *thunderbird, script string, args ...any) {
			t.Helper()
			h.delivered(t)
			b.run(thunderbirdMeeting+`await fresh();`+script, args...)
		}
		const people = "mailto:anna@example.com, mailto:anna@example.com=ACCEPTED mailto:ben@example.com="
		anna.run(`await mine().addItem(parsed(args[0]))`, event("plans", "20261123T090000Z", "Plans", "ORGANIZER;CN=Anna:mailto:anna@example.com",
			"ATTENDEE;PARTSTAT=ACCEPTED;ROLE=CHAIR:mailto:anna@example.com", "ATTENDEE;PARTSTAT=NEEDS-ACTION;RSVP=TRUE;ROLE=REQ-PARTICIPANT:mailto:ben@example.com"))
		ben.meets("plans", "Plans, 20261123T090000Z, , "+people+"NEEDS-ACTION")
		change(ben, `await answer("plans", args[0])`, "ACCEPTED")
		anna.meets("plans", "Plans, 20261123T090000Z, , "+people+"ACCEPTED")
		change(anna, `
const old = await item("plans"), now = old.clone();
for (const k of ["startDate", "endDate"]) { const d = now[k].clone(); d.hour += 2; now[k] = d; }
await mine().modifyItem(now, old);`)
		ben.meets("plans", "Plans, 20261123T110000Z, , "+people+"NEEDS-ACTION")
		change(ben, `await answer("plans", args[0])`, "DECLINED")
		anna.meets("plans", "Plans, 20261123T110000Z, , "+people+"DECLINED")
		change(anna, `await mine().deleteItem(await item("plans"))`)
		ben.meets("plans", "Plans, 20261123T110000Z, CANCELLED, "+people+"DECLINED")
		if left := h.everything(t, "ben", cal("ben")); len(left) != 1 {
			t.Errorf("ben has %d objects", len(left))
		}
		for _, text := range h.everything(t, "ben", cal("ben")) {
			if !strings.Contains(text, "STATUS:CANCELLED") {
				t.Errorf("ben has\n%v", text)
			}
		}
		h.healthy(t)
	})
}

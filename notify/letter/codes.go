package letter

// Code describes a code of the language, for the documentation and for Parse.
type Code struct {
	Letter byte
	Time   bool   // takes Z and a format of strftime
	Line   bool   // in text/calendar it prints whole lines, and stands alone
	Many   bool   // the value may have line breaks
	Raw    bool   // in iCalendar it is no TEXT, and is not escaped
	Ours   bool   // not Sun's
	Event  bool   // Sun has it for events
	Task   bool   // Sun has it for tasks
	Doc    string // what it prints
}

// Codes are those of Sun's tables E-34 and E-35 and ours. Each can be used for
// events and tasks alike: what one does not have prints nothing. notifications.md §2.4.
func Codes() []Code { return codes }

var codes = []Code{
	{Letter: '0', Time: true, Raw: true, Event: true, Doc: "start as the reader's language has date and time"},
	{Letter: '1', Time: true, Raw: true, Event: true, Doc: "end, in the same way"},
	{Letter: 'A', Line: true, Raw: true, Event: true, Task: true, Doc: "exception dates"},
	{Letter: 'a', Line: true, Raw: true, Event: true, Task: true, Doc: "recurrence dates"},
	{Letter: 'B', Time: true, Raw: true, Event: true, Task: true, Doc: "start"},
	{Letter: 'b', Raw: true, Event: true, Doc: "start and end in iCalendar form"},
	{Letter: 'C', Time: true, Raw: true, Event: true, Task: true, Doc: "when it was created"},
	{Letter: 'c', Raw: true, Event: true, Task: true, Doc: "class: PUBLIC, PRIVATE, CONFIDENTIAL"},
	{Letter: 'D', Time: true, Raw: true, Task: true, Doc: "when a task is due"},
	{Letter: 'd', Many: true, Event: true, Task: true, Doc: "description"},
	{Letter: 'E', Time: true, Raw: true, Event: true, Task: true, Doc: "end of an event; of a task when it is due, in UTC"},
	{Letter: 'e', Line: true, Raw: true, Event: true, Task: true, Doc: "exception rules"},
	{Letter: 'F', Line: true, Many: true, Event: true, Task: true, Doc: "description"},
	{Letter: 'f', Ours: true, Doc: "how often it takes place, in words; that it is one date of a series; nothing of what takes place once"},
	{Letter: 'G', Raw: true, Event: true, Task: true, Doc: "geographic position"},
	{Letter: 'g', Event: true, Task: true, Doc: "organizer's mail address"},
	{Letter: 'h', Ours: true, Doc: "organizer's name, or his address"},
	{Letter: 'I', Line: true, Raw: true, Ours: true, Doc: "in text/calendar, the whole scheduling message: a VCALENDAR with its METHOD and its time zones"},
	{Letter: 'i', Ours: true, Doc: "who is invited, with their answers"},
	{Letter: 'J', Line: true, Raw: true, Ours: true, Doc: "in text/calendar, the same without METHOD: an event to keep, which no program takes for a request"},
	{Letter: 'j', Many: true, Ours: true, Doc: "comment: what an attendee wrote to his answer, or the organizer to his message"},
	{Letter: 'K', Raw: true, Event: true, Task: true, Doc: "organizer's address as a mailto: URL"},
	{Letter: 'k', Raw: true, Event: true, Task: true, Doc: "number of alarms"},
	{Letter: 'L', Event: true, Task: true, Doc: "location"},
	{Letter: 'l', Line: true, Raw: true, Event: true, Task: true, Doc: "recurrence rules"},
	{Letter: 'M', Time: true, Raw: true, Event: true, Task: true, Doc: "when it was last modified"},
	{Letter: 'n', Time: true, Raw: true, Event: true, Task: true, Doc: "the present time"},
	{Letter: 'O', Ours: true, Doc: "mail address of the attendee who answers"},
	{Letter: 'o', Ours: true, Doc: "his name, or his address"},
	{Letter: 'P', Raw: true, Event: true, Task: true, Doc: "priority"},
	{Letter: 'p', Ours: true, Doc: "his answer in words"},
	{Letter: 'R', Line: true, Raw: true, Event: true, Task: true, Doc: "recurrence id"},
	{Letter: 'r', Time: true, Raw: true, Event: true, Task: true, Doc: "recurrence id"},
	{Letter: 'S', Raw: true, Event: true, Task: true, Doc: "sequence number"},
	{Letter: 's', Event: true, Task: true, Doc: "summary"},
	{Letter: 't', Raw: true, Event: true, Task: true, Doc: "status"},
	{Letter: 'U', Event: true, Task: true, Doc: "UID"},
	{Letter: 'u', Raw: true, Ours: true, Doc: "where to meet in the web: the address of CONFERENCE or URL, if it begins with http: or https:"},
	{Letter: 'V', Ours: true, Doc: "what happened, as a sentence: Ann Lee invites you."},
	{Letter: 'v', Ours: true, Doc: "what happened, as one or two words for a subject: Invitation, Changed, Accepted"},
	{Letter: 'W', Ours: true, Doc: "when, in short: Tue 3 March, 10:00; of a task, when it is due"},
	{Letter: 'w', Ours: true, Doc: "when, in words: Tuesday, 3 March 2026, 10:00 – 11:00 (Europe/Berlin); of a task, when it is due"},
}

// isWhole reports whether a code prints a whole VCALENDAR.
func isWhole(code byte) bool { return code == 'I' || code == 'J' }

// mimeCodes are those of MIME lines: charset, transfer encoding, boundary,
// method and component. notifications.md §2.2.
const mimeCodes = "sxbmc"

var codeOf = func() (table [128]*Code) {
	for i := range codes {
		table[codes[i].Letter] = &codes[i]
	}
	return table
}()

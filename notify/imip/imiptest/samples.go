// Package imiptest has the table of the mails that are taken in: for tests of their
// reader, and of the product.
package imiptest

// ServID is whose Authentication-Results the samples' site believes.
const ServID = "mx.example.org"

// Sample is a mail of notify/imip/testdata, and what becomes of it at anna@example.org.
type Sample struct {
	File   string // its name, without .eml
	Oddity string
	Is     string // what it is read as; plan-2026@example.org and days@example.org are anna's meetings
	Who    string // ATTENDEE of anna's meeting, "" if bert@firm.example; "-" if she has none
	Before string // samples that came before, between blanks
	Does   string // what follows: the decision, its reason, and of answers for which instance and what; "" if there is no message
}

const plan = "REPLY plan-2026@example.org"

// Samples are what programs of others write, and what forgers do, each with what is odd in
// it and what is to become of it: the table of what is taken in by mail.
var Samples = []Sample{
	// Google
	{"google-reply", "the answer as a part and as a file; the sender's service in Sender; a comment in a parameter", plan + " in 1.3 (text/calendar), 1 copy", "bert@gmail.com", "", `apply answered: all TENTATIVE "Perhaps a bit later"`},
	{"google-instance", "an instance by its moment in UTC; a mailbox spelled otherwise than invited", plan + " in 2 (text/calendar)", "Bert.B+work@googlemail.com", "", "apply answered: 20260312T100000 DECLINED"},
	{"google-invite", "written by a program", "REQUEST 6kq3@google.com in 1.2 (text/calendar), 1 copy", "-", "", "hold unsolicited"},
	{"google-group-calendar", "ORGANIZER is a calendar", "REQUEST 7gc@google.com in 2 (text/calendar)", "-", "", "hold relayed"},
	{"google-rewritten", "From is a service, since the sender's domain would not let it", plan + " in 2 (text/calendar)", "bert@firm.example", "", "hold relayed"},
	{"google-cancel", "", "CANCEL 6kq3@google.com in 2 (text/calendar)", "-", "google-invite", "apply cancelled"},
	// Exchange, Outlook
	{"exchange-request", "a zone of Windows with its VTIMEZONE; MAILTO; base64; headers in Latin-1", "REQUEST 040000008200E00074C5B7101A82E00800000000B0D5E1 in 2 (text/calendar)", "-", "", "hold unsolicited"},
	{"exchange-no-zone", "a zone of Windows without VTIMEZONE", "REQUEST 040000008200E00074C5B7101A82E00800000000B0D5E1 in 2 (text/calendar)", "-", "", "hold unsolicited"},
	{"exchange-reply", "no ORGANIZER; an instance in another zone, by its Windows name, undefined", plan + " in 2 (text/calendar)", "bert.berg@contoso.example", "", `apply answered: 20260312T100000 ACCEPTED "With pleasure"`},
	{"exchange-counter", "a proposal", "COUNTER plan-2026@example.org in 2 (text/calendar)", "bert.berg@contoso.example", "", "hold proposed"},
	{"exchange-room", "a room answers by itself: Auto-Submitted", plan + " in 2 (text/calendar)", "blue@contoso.example", "", "apply answered: all ACCEPTED"},
	{"exchange-out-of-office", "", "automatic by x-ms-exchange-inbox-rules-loop", "", "", ""},
	{"exchange-forward", "an attendee forwards the meeting", "REQUEST fw-1@contoso.example in 2 (text/calendar)", "-", "", "hold forwarded"},
	{"exchange-forward-notification", "", "automatic by forward-notification", "", "", ""},
	{"outlook-winmail", "TNEF", "nothing: winmail-dat", "", "", ""},
	{"outlook-method-in-type", "METHOD in the Content-Type alone; the text is the mail's only part", plan + " in  (text/calendar)", "", "", "apply answered: all DECLINED"},
	// Apple
	{"apple-reply", "the attendee by a UUID, his address in EMAIL; quoted-printable as a file", plan + " in 2 (text/calendar)", "", "", "apply answered: all ACCEPTED"},
	{"icloud-reply", "From is a service", plan + " in 2 (text/calendar)", "bert@icloud.com", "", "hold relayed"},
	{"icloud-invite", "ORGANIZER is a relay address", "REQUEST B1C2-ICLOUD in 2 (text/calendar)", "-", "", "hold relayed"},
	// others
	{"thunderbird-reply", "8bit; again as a file", plan + " in 1.2 (text/calendar), 1 copy", "", "", "apply answered: all ACCEPTED"},
	{"zimbra-reply", "an instance in another zone, with quotes around its name", plan + " in 3 (text/calendar)", "bert@zim.example", "", "apply answered: 20260312T100000 DECLINED"},
	{"sogo-reply", "the method and PARTSTAT in small letters", plan + " in 2 (text/calendar)", "bert@sogo.example", "", "apply answered: all ACCEPTED"},
	{"nextcloud-reply", "From is a service; written by a program", plan + " in 1.2 (text/calendar)", "bert@cloud.example", "", "hold relayed"},
	{"evolution-reply", "quoted-printable; METHOD between quotes", plan + " in  (text/calendar)", "", "", "apply answered: all ACCEPTED"},
	{"yahoo-reply", "application/octet-stream called event.ics; METHOD in the text alone", plan + " in 2 (application/octet-stream)", "bert@yahoo.com", "", "apply answered: all ACCEPTED"},
	{"domino-reply", "a boundary with blanks; an address without a name", plan + " in 1.2 (text/calendar)", "bert_berg@domino.example", "", "apply answered: all ACCEPTED"},
	{"android-reply", "nothing but UID and ATTENDEE: no SEQUENCE, DTSTAMP, DTSTART, ORGANIZER", plan + " in 2 (text/calendar)", "", "", "apply answered: all TENTATIVE"},
	// where it stands
	{"plain-text", "in the midst of a plain text", plan + " in  (text/plain)", "", "", "apply answered: all ACCEPTED"},
	{"signed", "multipart/signed", plan + " in 1.2 (text/calendar)", "", "", "apply answered: all ACCEPTED"},
	{"sealed", "signed by S/MIME in a form that hides the text", "nothing: mail-sealed", "", "", ""},
	{"encrypted", "by OpenPGP", "nothing: mail-sealed", "", "", ""},
	{"related", "in multipart/alternative in multipart/related in multipart/mixed", plan + " in 1.1.3 (text/calendar)", "", "", "apply answered: all ACCEPTED"},
	{"forwarded", "in a mail that is attached", "REQUEST fwd@firm.example in 2.2 (text/calendar), of bert@firm.example forwarded", "-", "", "hold forwarded"},
	{"forwarded-base64", "and that is encoded", "REQUEST fwd@firm.example in 2.2 (text/calendar), of bert@firm.example forwarded", "-", "", "hold forwarded"},
	{"uuencode", "in a plain text", plan + " in  (text/plain)", "", "", "apply answered: all ACCEPTED"},
	{"uuencode-part", "as a transfer encoding", plan + " in 2 (application/octet-stream)", "", "", "apply answered: all ACCEPTED"},
	// how it is written
	{"windows-1252-as-ascii", "", plan + " in  (text/calendar)", "", "", `apply answered: all ACCEPTED "Schöne Grüße – Bert"`},
	{"windows-1252-as-utf-8", "", plan + " in  (text/calendar)", "", "", `apply answered: all ACCEPTED "Schöne Grüße – Bert"`},
	{"utf-8-as-latin-1", "", plan + " in  (text/calendar)", "", "", `apply answered: all ACCEPTED "Schöne Grüße – Bert"`},
	{"koi8-r", "", plan + " in  (text/calendar)", "", "", `apply answered: all ACCEPTED "Хорошо"`},
	{"iso-2022-jp", "", plan + " in  (text/calendar)", "", "", `apply answered: all ACCEPTED "承知しました"`},
	{"gb18030", "called gb2312", plan + " in  (text/calendar)", "", "", `apply answered: all ACCEPTED "好的"`},
	{"utf-16", "in base64", plan + " in  (text/calendar)", "", "", `apply answered: all ACCEPTED "Schöne Grüße – Bert"`},
	{"byte-order-mark", "", plan + " in  (text/calendar)", "", "", `apply answered: all ACCEPTED "Schöne Grüße – Bert"`},
	{"folds-in-characters", "", plan + " in  (text/calendar)", "", "", `apply answered: all ACCEPTED "äöüßäöüßäöüßäöüßäöüß"`},
	{"soft-breaks-in-folds", "", plan + " in  (text/calendar)", "", "", `apply answered: all ACCEPTED "Grüße=Gruß; ä"`},
	{"base64-with-junk", "", plan + " in  (text/calendar)", "", "", `apply answered: all ACCEPTED "Schöne Grüße – Bert"`},
	{"clear-called-base64", "", plan + " in  (text/calendar)", "", "", "apply answered: all ACCEPTED"},
	{"base64-called-clear", "", plan + " in  (text/calendar)", "", "", "apply answered: all ACCEPTED"},
	{"clear-called-quoted", "", plan + " in  (text/calendar)", "", "", "apply answered: all ACCEPTED"},
	// what it says
	{"mailto", "addresses without mailto:, encoded, in capitals, between angles; a CUTYPE that there is not", plan + " in  (text/calendar)", "BERT@firm.example", "", "apply answered: all ACCEPTED"},
	{"no-organizer", "", plan + " in  (text/calendar)", "", "", "apply answered: all ACCEPTED"},
	{"date-series", "midnight where a date belongs", "REPLY days@example.org in  (text/calendar)", "", "", "apply answered: 20260312 ACCEPTED"},
	{"date-series-zone", "midnight of a zone where a date belongs", "REPLY days@example.org in  (text/calendar)", "", "", "apply answered: 20260312 ACCEPTED"},
	{"several-events", "an answer for the series, and one for an instance", plan + " in  (text/calendar)", "", "", "apply answered: all ACCEPTED; 20260312T100000 DECLINED"},
	{"several-uids", "", plan + " in  (text/calendar); REPLY other@example.org in  (text/calendar)", "", "", "apply answered: all ACCEPTED | ignore unknown-meeting"},
	{"same-twice", "two answers of one person: the newer counts", plan + " in  (text/calendar)", "", "", "apply answered: all ACCEPTED"},
	{"two-calendars", "one after the other in a part", plan + " in  (text/calendar); REPLY other@example.org in  (text/calendar)", "", "", "apply answered: all ACCEPTED | ignore unknown-meeting"},
	{"methods-differ", "of the media type and of the text", plan + " in  (text/calendar) differs", "", "", "hold method-differs"},
	{"copies-differ", "", plan + " in 1 (text/calendar), 1 copy differs", "", "", "hold method-differs"},
	{"copy-published", "the file says PUBLISH, the part REPLY", plan + " in 1 (text/calendar), 1 copy", "", "", "apply answered: all ACCEPTED"},
	{"no-method", "a file to be kept", "nothing: no-method", "", "", ""},
	{"unknown-method", "", "nothing: method-unknown", "", "", ""},
	{"free-busy", "", "nothing: method-unknown", "", "", ""},
	{"cut-off", "", "nothing: unreadable", "", "", ""},
	{"vcard", "", "nothing: nothing-for-us", "", "", ""},
	{"cancelled-in-reply", "STATUS, SUMMARY and LOCATION in an answer", plan + " in  (text/calendar)", "", "", "apply answered: all DECLINED"},
	{"needs-action", "", plan + " in  (text/calendar)", "", "", "ignore no-answer"},
	{"no-sequence", "it answers what is current", plan + " in  (text/calendar)", "", "", "apply answered: all ACCEPTED"},
	{"lower-sequence", "it is older than the last answer", plan + " in  (text/calendar)", "", "no-organizer", "ignore older-revision"},
	{"signed", "a replay of his last answer", plan + " in 1.2 (text/calendar)", "", "signed", "ignore unchanged"},
	{"lower-sequence", "a replay of what he has taken back since", plan + " in  (text/calendar)", "", "cancelled-in-reply", "hold replayed"},
	{"update-no-sequence", "a change that says no revision and no time", "REQUEST 6kq3@google.com in  (text/calendar)", "-", "google-invite", "apply updated"},
	{"sequence-of-letters", "", plan + " in  (text/calendar)", "", "", "apply answered: all ACCEPTED"},
	// whom to believe
	{"stranger", "who answers is not invited", plan + " in  (text/calendar)", "", "", "hold not-invited"},
	{"for-another", "a stranger answers for who is invited", plan + " in  (text/calendar)", "", "", "hold sent-by-another"},
	{"dmarc-fail", "", plan + " in  (text/calendar)", "", "", "hold dmarc-failed"},
	{"no-results", "the mail system tells nothing", plan + " in  (text/calendar)", "", "", "hold sender-unproven"},
	{"forged-results", "only the topmost of our own counts", plan + " in  (text/calendar)", "", "", "hold sender-unproven"},
	{"two-senders", "", plan + " in  (text/calendar)", "", "", "hold sent-by-another"},
	{"spam", "", plan + " in  (text/calendar)", "", "", "hold spam"},
	{"other-organizer", "somebody else takes a meeting over", "REQUEST 6kq3@google.com in  (text/calendar)", "-", "google-invite", "hold organizer-changed"},
	{"not-addressed", "the invitation is for a list", "REQUEST na@firm.example in  (text/calendar)", "-", "", "hold not-addressed"},
	{"own-message", "", "REQUEST plan-2026@example.org in  (text/calendar)", "", "", "ignore own-message"},
	{"broken-headers", "encoded line ends, words and parameters in pieces, semicolons missing and doubled", plan + " in  (text/calendar)", "", "", "apply answered: all ACCEPTED"},
	// programs
	{"gmail-vacation", "", "automatic by auto-submitted", "", "", ""},
	{"sieve-vacation-with-invitation", "our own invitation comes back with it", "automatic by auto-submitted", "", "", ""},
	{"domino-out-of-office", "", "automatic by subject", "", "", ""},
	{"zimbra-out-of-office", "", "automatic by auto-submitted", "", "", ""},
	{"receipt", "our own invitation comes back with it", "automatic by receipt", "", "", ""},
	{"room-auto-replied", "an answer all the same", plan + " in  (text/calendar)", "blue@zim.example", "", "apply answered: all ACCEPTED"},
	// what came back
	{"bounce-postfix", "RFC 3464", "returned req1@example.org plan-2026@example.org of anna@example.org: bert@firm.example failed 5.1.1", "", "", ""},
	{"bounce-delayed", "two recipients, and the headers alone", "returned req1@example.org  of : bert@firm.example delayed 4.4.1, carl@firm.example failed 5.0.0", "", "", ""},
	{"bounce-exchange", "", "returned req1@example.org plan-2026@example.org of anna@example.org: bert@contoso.example failed 5.1.10", "", "", ""},
	{"bounce-gmail", "", "returned req1@example.org plan-2026@example.org of anna@example.org: bert@firm.example failed 5.1.1", "", "", ""},
	{"bounce-exim", "in words, with the message below", "returned req1@example.org plan-2026@example.org of anna@example.org: bert@firm.example failed 5.1.1", "", "", ""},
	{"bounce-qmail", "in words, with the message below", "returned req1@example.org plan-2026@example.org of anna@example.org: bert@firm.example failed 5.1.1", "", "", ""},
	{"bounce-yahoo", "in words", "returned req1@example.org  of anna@example.org: bert@yahoo.com failed 5.1.1", "", "", ""},
	{"bounce-forwarded", "somebody passes a bounce on", "nothing: nothing-for-us", "", "", ""},
	{"bounce-domino", "", "returned req1@example.org  of : bert@domino.example failed 5.1.1", "", "", ""},
}

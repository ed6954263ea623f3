package admission

// Reason says why a mail, or a message that came with one, was not applied. What
// the engine of meetings decides has the codes of itip.Reason.
type Reason uint8

// The reasons. Those from MailTooLarge on are of mails that were not read.
const (
	Spam                  Reason = iota + 1 // the mail system takes it for spam
	Forwarded                               // somebody passed on what another sent
	MethodDiffers                           // the mail asks for one thing outside, and for another inside
	DMARCFailed                             // the sender's domain disowns it
	SenderUnproven                          // nobody vouches for who sent it
	SentByAnother                           // who sent it is not who speaks in it
	Relayed                                 // a service sent it for somebody
	OrganizerChanged                        // the meeting has another organizer
	UnsolicitedInvitation                   // an invitation from somebody who may not just invite
	Replayed                                // an answer that its sender has taken back since
	NoAnswer                                // a reply that answers nothing
	OwnMessage                              // what the owner sent has come back to him
	AutomaticAnswer                         // an out-of-office notice and the like
	Bounced                                 // a message could not be delivered
	NothingForUs                            // no message about a meeting
	SenderRefused                           // the recipient wants nothing of who sent it
	UnsolicitedRefused                      // he wants no invitations that nobody waits for
	Rejected                                // he rejected what was held
	Undecided                               // he did not decide in time
	Taken                                   // he put the meeting into his calendar by himself

	MailTooLarge
	MailHeaderTooLarge
	MailTooManyParts
	MailTooNested
	MailBroken
	WinmailDat
	MailSealed
	NoMethod
	MethodUnknown
	TooManyMeetings
	numReasons
)

var reasons = [numReasons]struct{ code, text string }{
	{},
	{"spam", "The mail system takes it for spam."},
	{"forwarded", "Somebody passed on what another one sent."},
	{"method-differs", "The mail and the calendar data in it ask for different things."},
	{"dmarc-failed", "The domain that it claims to come from disowns it (DMARC)."},
	{"sender-unproven", "Nothing proves who sent it."},
	{"sent-by-another", "Who sent it is not the one who speaks in it."},
	{"relayed", "A service sent it in the name of somebody whom the mail does not prove."},
	{"organizer-changed", "The meeting that is stored has another organizer."},
	{"unsolicited", "An invitation from somebody who may not put any into the calendar without being asked."},
	{"replayed", "Its sender has said something else since: it is late, or somebody sends it again."},
	{"no-answer", "It answers nothing."},
	{"own-message", "A message of the recipient's own came back to him."},
	{"automatic-answer", "A program answered, not a person: an out-of-office notice or a receipt."},
	{"bounced", "A message could not be delivered, and came back."},
	{"nothing-for-us", "The mail has no message about a meeting."},
	{"sender-refused", "The recipient wants nothing of who sent it."},
	{"unsolicited-refused", "The recipient wants no invitations of people who may not put any into the calendar without being asked."},
	{"rejected", "The recipient rejected what was held."},
	{"undecided", "The recipient did not decide about what was held: it was too old, or there was too much."},
	{"taken", "The recipient put the meeting that was held into his calendar by himself."},

	{"mail-too-large", "The mail, or the calendar data in it, is larger than what is read."},
	{"mail-header-too-large", "The headers of the mail are larger than what is read."},
	{"mail-too-many-parts", "The mail has more parts than are read."},
	{"mail-too-nested", "The parts of the mail nest deeper than is read."},
	{"mail-broken", "It is not a mail."},
	{"winmail-dat", "It is in a form of Outlook's own (winmail.dat), which is not read: the sender has to send plain text or HTML."},
	{"mail-sealed", "The mail is encrypted, or signed in a form that hides its text, and is not read."},
	{"no-method", "It has calendar data that asks nobody for anything."},
	{"method-unknown", "It asks for something that is not done by mail."},
	{"too-many-meetings", "It speaks of more meetings than one mail may."},
}

// String is the code of a reason, which never changes.
func (r Reason) String() string { return reasons[min(r, numReasons-1)].code }

// Sentence is a reason for people.
func (r Reason) Sentence() string { return reasons[min(r, numReasons-1)].text }

// Reasons are all of them.
func Reasons() (all []Reason) {
	for r := Spam; r < numReasons; r++ {
		all = append(all, r)
	}
	return all
}

// Package crash is tests only: what the server keeps when it is killed, when
// the power fails, when the disk is full, and when many write at once.
//
// A test drives whole servers over HTTP and keeps a ledger of what was
// acknowledged: a status 2xx, read to its end. Afterwards every object must be
// in the state of its last acknowledged write or of a later one that nobody
// answered, octet for octet.
//
// The servers run in processes of their own, which can be killed: the test
// binary called again (process_test.go), wired from the packages alone, and
// the program calserver itself (calserver_test.go). make crash sets
// FACTOTUM_LONG=1, which kills a hundred times instead of a few.
//
// The ledger of meetings (meeting_ledger_test.go) has what organizers agreed and
// attendees answered, by CalDAV and WCAP. When all is quiet each invitation, each
// change and each answer has arrived once, and the journals say so. Servers are
// killed at random moments, kill themselves between the steps of a delivery, are
// away for a while, and are taken over from; make long does so ten thousand times.
//
// The ledger of alarms (alarm_test.go) has which are set, moved and deleted, and when
// they are due: each is mailed once, and published, whoever dies meanwhile.
package crash

// Package dwp is the database wire protocol: it carries calendar.Backend from
// a front end (Client) to the back end that owns the store (Server), over
// gRPC. dwp.proto describes the messages and the rules by which they change.
//
// A client greets first (Hello): the two agree on a version, the back end
// says by which names it goes, and one that is not the host the client meant
// is refused. A user and a password may be asked for as well.
//
// The Actor in a request is believed. Whoever holds a client certificate that
// the configured authority signed can act as any user, the calendar
// administrator included; so that authority signs front ends and nothing
// else. Plain text is for loopback addresses and unix sockets only, where the
// machine's own users are trusted.
//
// Failures cross as Kind, Reason, Op, Ref and Msg of a calendar.Error, never
// with their cause. A back end that cannot be reached is
// calendar.Unavailable, at once while it is known to be down. Calls are
// repeated once after a broken connection. What a write did is kept under a
// request token that goes with it (in PutRequest, or in the metadata from
// version 2 on), so that the back end answers a repetition without writing
// again; a back end of version 1 gets no repeated writes but PutObject.
package dwp

// Version is what this program speaks, Oldest the oldest it understands.
// See the rules in dwp.proto.
const (
	Version = 8 // 2: request tokens in the metadata; 3: Calendars, Occurrences, CopyOut, CopyIn, EditPrefs, Subscribe; 4: Deliver, ListChanges, Share, SetProxies, Notify, Why; 5: Register, Unregister, Registrations, TestHook, History, AsOf, Undo; 6: Arrive; 7: Standby; 8: Witness
	Oldest  = 1
)

// Port is the default of service.dwp.port.
const Port = 57779

// Limits of what crosses in one message or batch.
const (
	maxMessage   = 64 << 20 // octets of any message
	batchItems   = 64       // items of one message of a stream
	batchBytes   = 24 << 10 // octets after which a message of a stream is sent: beyond 32 KiB gRPC takes, and clears, a buffer of 1 MiB
	windowBytes  = 1 << 20  // HTTP/2 flow control
	maxNesting   = 32       // levels of filters and selections
	maxErrorText = 2 << 10  // octets of Ref or Msg
	maxToken     = 128      // octets of a request token
)

// Names of our metadata.
const (
	sessionKey   = "dwp-session"
	requestIDKey = "dwp-request-id"
	tokenKey     = "dwp-token"
)

package config

import (
	"cmp"
	"strconv"
	"time"
)

// Calstore is how calendars behave.
type Calstore struct {
	AnonymousCalid    string
	LowerCase         bool
	DefaultACL        string
	OwnerACL          string
	TimeZone          string
	FilterPrivate     bool
	FreeBusyInclude   bool
	FreeBusyRemove    bool
	SubscribedInclude bool
	SubscribedRemove  bool
	GroupMaxSize      int // 0 any, -1 never expand
	RecurrenceBound   int
}

// Kindred is what users and resources have in common.
type Kindred struct {
	DoubleBook    bool
	DefaultACL    string // resources and groups
	Autoprovision bool
	Autoaccept    bool // resources and groups
}

// Resource is Kindred for resources, and what they take where their entries do
// not say.
type Resource struct {
	Kindred
	Series  string // decline, except, accept or ask
	Ahead   time.Duration
	Minutes int
	Bookers []string
}

// Group is Kindred for groups.
type Group struct {
	Kindred // Autoprovision makes the calendar for who asks for it, too
	Expand  bool
	Recheck time.Duration // how often that is looked for, 0 never
	Follow  bool          // meetings follow their changes
}

// Store is csstored and the database.
type Store struct {
	Enable      bool   // both service.store.enable and local.store.enable
	Type        string // sqlite or postgres
	DSN         Secret
	Path        string // of the SQLite database
	Home        string // caldb.berkeleydb.homedir.path
	MaxConns    int    // 0 chooses
	AnyDisk     bool   // also one that was refused
	Patience    time.Duration
	ReadOnly    bool
	Socket      string // of csstored
	Cache       int64
	Counters    bool
	Attachments string // directory

	localEnable bool
}

// Copies is one of the two kinds of backup.
type Copies struct {
	Enable    bool
	Path      string // "" means not configured
	Min, Max  int    // copies kept
	Threshold int    // percent of the disk used
}

func (c *Copies) made() bool { return c.Enable && c.Path != "" }

// Backup is csstored's automatic backup.
type Backup struct {
	Hot      Copies
	Archive  Copies
	Interval time.Duration
	S3       S3

	Recipients string // file of age's; "": they are not encrypted
	Identities string // file

	Circular bool // caldb.berkeleydb.circularlogging
}

// Standby is a second host with the same calendars.
type Standby struct {
	Host string // that stands by for this one
	Of   string // for which this one stands by
	Sync bool
	// Witness, host:port, says which of the two goes on without the other; "": nobody does.
	Witness string
}

// WitnessAt is its host and port; 0 is none that there may be.
func (s *Standby) WitnessAt() (host string, port int) {
	host, text := cutPort(s.Witness)
	if n, err := strconv.Atoi(text); err == nil && 0 < n && n < 65536 {
		port = n
	}
	return host, port
}

// Peer is the other of the two hosts; "" where there is none.
func (s *Standby) Peer() string { return cmp.Or(s.Host, s.Of) }

// S3 is a bucket to which backups are brought besides.
type S3 struct {
	Endpoint    string // URL of the service; "": there is none
	Region      string
	Bucket      string
	Prefix      string // "" means the host's name
	Credentials string // file; "": the environment has them
	Every       time.Duration
	Max         int // copies kept
}

// Deleted is how long deletions are remembered.
type Deleted struct {
	Purge        bool          // purge the delete log
	Interval     time.Duration // between purges
	Age          time.Duration // of entries of the delete log
	TombstoneAge time.Duration // of what sync-collection knows; older tokens are refused
	InboxAge     time.Duration // of scheduling messages in an inbox
}

// History is how long, and how much of, what writes replaced and deleted is kept.
type History struct {
	Age   time.Duration
	Bytes int64
}

// Audit is where and for how long it is noted who changed what is not his alone.
type Audit struct {
	Enable bool
	Path   string
	Days   int
	Bytes  int64
}

// Journal is how long the steps of scheduling messages are told of.
type Journal struct {
	Age     time.Duration
	Entries int // of one owner
}

// Limits bound what clients may ask for and store.
type Limits struct {
	ObjectSize  int64 // of one calendar object
	BodySize    int64 // of a request
	HeaderSize  int64
	Attendees   int   // of one component
	Exceptions  int   // of a series to which others are invited
	Instances   int   // occurrences computed for one object in one question
	Results     int   // objects of one answer; 0 without limit
	Hrefs       int   // of one multiget
	Calendars   int   // of one owner
	Quota       int64 // octets of one owner; 0 without limit
	XMLDepth    int
	XMLElements int
}

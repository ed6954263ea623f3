package calendar

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Post is the payload of a job of kind JobDeliver: the scheduling messages that
// follow from one change. They are brought to their recipients in order.
type Post struct {
	UID     string   `json:"uid"`
	Summary string   `json:"summary,omitempty"`
	Letters []Letter `json:"letters"`
	// Lane is the back end whose failure took these letters out of the order of
	// all that is sent about the UID, "" for that order itself.
	Lane string `json:"lane,omitempty"`
	// NoMail says that who has no calendar here is not mailed.
	NoMail bool `json:"noMail,omitempty"`
}

// Letter is one message to people who all get the same.
type Letter struct {
	ID     string   `json:"id,omitempty"` // see DeliverRequest; "" = of the job and the letter's place in it
	Method string   `json:"method"`
	From   string   `json:"from"`
	To     []string `json:"to"` // calendar user addresses
	Data   []byte   `json:"data,omitempty"`
	Octets int      `json:"octets,omitempty"` // of Data, where that follows the JSON: see Job

	Inconsequential bool `json:"inconsequential,omitempty"`
	// Told: who gets the letter before it by mail needs no mail of this one.
	Told bool `json:"told,omitempty"`
}

// Kinds of jobs of scheduling.
const (
	JobDeliver = "deliver" // a Post
	JobAnswers = "answers" // the UID of a meeting whose attendees are to learn each other's answers
)

// Job makes a job of a post. Those about one UID that go the same way run one
// after another. The payload is the post as JSON, without the data of its letters,
// which follows as it is.
func (p *Post) Job() (Job, error) {
	head, size := *p, 0
	head.Letters = slices.Clone(p.Letters)
	for i := range head.Letters {
		l := &head.Letters[i]
		l.Octets, l.Data = len(l.Data), nil
		size += l.Octets
	}
	text, err := json.Marshal(&head)
	if err != nil {
		return Job{}, fmt.Errorf("write a post: %w", err)
	}
	payload := append(make([]byte, 0, len(text)+size), text...)
	for i := range p.Letters {
		payload = append(payload, p.Letters[i].Data...)
	}
	return Job{Kind: JobDeliver, Key: PostKey(p.UID, p.Lane), Payload: payload}, nil
}

// PostKey is the Job.Key of what is sent about a UID.
func PostKey(uid, lane string) string {
	if lane == "" {
		return uid
	}
	return uid + "\x1f" + lane
}

// PostUID is the UID that a Job.Key is about.
func PostUID(key string) string {
	uid, _, _ := strings.Cut(key, "\x1f")
	return uid
}

// PostLane is the lane of a Job.Key, "" for none.
func PostLane(key string) string {
	_, lane, _ := strings.Cut(key, "\x1f")
	return lane
}

// ParsePost reads the payload of a job, and names its letters. Stores have jobs
// whose data is in the JSON.
func ParsePost(job Job) (p Post, err error) {
	head := json.NewDecoder(bytes.NewReader(job.Payload))
	if err := head.Decode(&p); err != nil {
		return p, fmt.Errorf("read a post: %w", err)
	}
	data := job.Payload[head.InputOffset():]
	for i := range p.Letters {
		l := &p.Letters[i]
		if l.Octets < 0 || l.Octets > len(data) {
			return p, errors.New("read a post: a letter is cut off")
		}
		if l.Octets > 0 {
			l.Data, data, l.Octets = data[:l.Octets:l.Octets], data[l.Octets:], 0
		}
	}
	return p.Named(job.JobID), nil
}

// Named is a post whose letters have the names that they go by in a job.
func (p Post) Named(id JobID) Post {
	p.Letters = slices.Clone(p.Letters)
	for i := range p.Letters {
		if l := &p.Letters[i]; l.ID == "" {
			l.ID = fmt.Sprintf("%s/%d", id, i)
		}
	}
	return p
}

// Settlement is what became of letters of an owner, for his object and his
// journal.
type Settlement struct {
	Job      JobID // that is done with it, and deleted: who repeats it does nothing; zero: none is
	UID      string
	Statuses map[string]string // SCHEDULE-STATUS by AddressKey of those who were written to
	Later    []Post            // what is to go by a lane of its own
	Mail     []Mailing         // what is to go by mail
	Traces   []Trace
}

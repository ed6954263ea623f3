package delivery

import (
	"fmt"
	"time"

	"factotum/server/calendar"
)

// Dropped notes in the owner's journal that an administrator has dropped
// messages, of each to whom it will not come. Who has had them is not told
// apart: a message to several people stands there until all are served. It is
// meant for worker.Options.
func Dropped(tx calendar.Tx, job calendar.Job) error {
	post, err := lettersOf(job)
	if err != nil {
		return nil // what cannot be read can be dropped all the same
	}
	for i := range post.Letters {
		l := &post.Letters[i]
		t := calendar.Trace{Owner: job.Owner, When: time.Now(), Message: l.ID, Method: l.Method, UID: post.UID, Summary: post.Summary,
			From: l.From, To: l.To, Step: calendar.TraceFailed, Reason: calendar.ReasonDropped}
		for _, part := range t.Parts() {
			if err := tx.PutTrace(part); err != nil {
				return fmt.Errorf("keep the journal: %w", err)
			}
		}
	}
	return nil
}

// lettersOf are the messages that a job has to bring; none of other kinds of jobs.
func lettersOf(job calendar.Job) (calendar.Post, error) {
	switch job.Kind {
	case calendar.JobDeliver:
		return calendar.ParsePost(job)
	case calendar.JobMail:
		m, err := calendar.ParseMailing(job)
		if m.Kind != calendar.MailScheduling {
			return calendar.Post{}, err
		}
		return calendar.Post{UID: m.UID, Summary: m.Summary, Letters: []calendar.Letter{m.Letter}}, err
	}
	return calendar.Post{}, nil
}

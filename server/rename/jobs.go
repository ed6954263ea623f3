package rename

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"

	"factotum/server/calendar"
)

// jobs are what the payload of each kind of job has of names.
var jobs = map[string]func(*Mapper, *calendar.Job) error{
	calendar.JobDeliver: (*Mapper).deliver,
	calendar.JobMail:    (*Mapper).mailing,
	calendar.JobShare:   (*Mapper).share,
	calendar.JobPublish: (*Mapper).publish,
	calendar.JobNews:    (*Mapper).news,
	calendar.JobPush:    (*Mapper).telling,
	calendar.JobHook:    (*Mapper).telling,
	calendar.JobAnswers: nil, // a UID
	calendar.JobAlarm:   nil, // of an object of the home
	calendar.JobPlan:    nil, // the same
	calendar.JobMove:    nil, // a mark, which has no names of people
	"audit":             nil, // tells what somebody did under the name that he had then
}

// Job changes what is still to be done. The job has the id that it had: its messages keep
// their names. ok is false where the payload cannot be read, or is of a kind that is not
// known: then it stays.
func (m *Mapper) Job(j *calendar.Job) (ok bool) {
	change, known := jobs[j.Kind]
	was := j.Payload
	if !known || change != nil && change(m, j) != nil {
		j.Payload = was
		return false
	}
	if !bytes.Equal(j.Payload, was) {
		m.Changed("what is to be done")
	}
	return true
}

func (m *Mapper) letter(l *calendar.Letter) (changed bool) {
	from, to := l.From, l.To
	l.From = m.address(l.From)
	l.To = m.addresses(l.To)
	l.Data, changed = m.text(l.Data)
	return changed || l.From != from || !slices.Equal(l.To, to)
}

func (m *Mapper) deliver(j *calendar.Job) error {
	post, err := calendar.ParsePost(*j)
	if err != nil {
		return err
	}
	changed := m.home != m.was // the letters are called by the job, which has another owner
	for i := range post.Letters {
		changed = m.letter(&post.Letters[i]) || changed
	}
	if !changed {
		return nil
	}
	made, err := post.Job()
	j.Payload = made.Payload
	return err
}

func (m *Mapper) mailing(j *calendar.Job) error {
	mail, err := calendar.ParseMailing(*j)
	if err != nil {
		return err
	}
	if !m.letter(&mail.Letter) {
		return nil
	}
	made, err := mail.Job()
	j.Payload = made.Payload
	return err
}

func (m *Mapper) share(j *calendar.Job) error {
	n, err := calendar.ParseNote(*j)
	if err != nil {
		return err
	}
	n.ID = "" // the job names it
	if !m.note(&n) {
		return nil
	}
	made, err := n.Job()
	j.Key, j.Payload = made.Key, made.Payload
	return err
}

func (m *Mapper) publish(j *calendar.Job) error {
	p, err := calendar.ParsePublication(*j)
	if err != nil {
		return err
	}
	owner := p.Owner
	p.Owner = calendar.Owner(m.id(string(p.Owner)))
	changed := p.Owner != owner
	if ref, err := calendar.ParseEventRef(p.Ref); err == nil {
		for i := range ref.Params {
			v := &ref.Params[i].Value
			was := *v
			switch ref.Params[i].Name {
			case "calid":
				*v = string(m.calid(calendar.ID(was)))
			case "user", "proxy":
				*v = m.id(was)
			}
			changed = changed || *v != was
		}
		if changed {
			p.Ref = ref.String()
		}
	}
	if strings.HasPrefix(p.ContentType, "text/calendar") {
		data, another := m.text(p.Data)
		p.Data, changed = data, changed || another
	}
	if !changed {
		return nil
	}
	made, err := p.Job(j.Key)
	j.Payload = made.Payload
	return err
}

func (m *Mapper) ofNews(n *calendar.News) (changed bool) {
	calid, by := n.CalID, n.By
	n.CalID, n.By = m.calid(n.CalID), m.id(n.By)
	return n.CalID != calid || n.By != by
}

func (m *Mapper) news(j *calendar.Job) error {
	n, err := calendar.ParseNews(*j)
	if err != nil {
		return err
	}
	if !m.ofNews(&n) {
		return nil
	}
	j.Payload, err = json.Marshal(&n)
	return err
}

func (m *Mapper) telling(j *calendar.Job) error {
	t, err := calendar.ParseTelling(*j)
	if err != nil {
		return err
	}
	if t.News == nil || !m.ofNews(t.News) {
		return nil
	}
	j.Payload, err = json.Marshal(&t)
	return err
}

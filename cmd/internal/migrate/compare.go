package migrate

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"factotum/cmd/internal/davclient"
	"factotum/cmd/internal/importer"
	"factotum/cmd/internal/plain"
	"factotum/server/calendar"
	"factotum/server/changes"
	"factotum/server/ical"
	"factotum/server/object"
)

// What a comparison says of an object.
const (
	Equal    = "equal"     // the same octets
	Mended   = "mended"    // here is what could be stored of it; Detail says what had to be done
	Differs  = "differs"   // changed there or here since it was pulled
	Missing  = "missing"   // it could be here, and is not
	Refused  = "refused"   // it cannot be stored
	OnlyHere = "only here" // it is not there
)

// Verdict is what became of an object: it stands for what is there and is asked
// of what is here, whatever earlier runs have noted.
type Verdict struct {
	Calendar calendar.ID `json:"calendar"`
	Source   string      `json:"source,omitempty"` // there
	Line     int         `json:"line,omitempty"`   // in it
	UID      string      `json:"uid,omitempty"`
	Name     string      `json:"name,omitempty"` // here
	Verdict  string      `json:"verdict"`
	Detail   string      `json:"detail,omitempty"`
}

// String is the line of a report.
func (v Verdict) String() string {
	s := v.Source
	if v.Line > 0 {
		s += fmt.Sprintf(":%d", v.Line)
	}
	if v.UID != "" {
		s += fmt.Sprintf(" (UID %s)", v.UID)
	}
	s = strings.TrimSpace(s) + ": " + v.Verdict
	if v.Detail != "" {
		s += ": " + v.Detail
	}
	return s
}

// Comparison is one calendar compared.
type Comparison struct {
	Source   string         `json:"source"`
	Calendar calendar.ID    `json:"calendar"`
	Count    map[string]int `json:"count"` // by verdict
	Err      string         `json:"err,omitempty"`
}

// Same tells whether all that is there is here.
func (c *Comparison) Same() bool {
	return c.Err == "" && c.Count[Differs]+c.Count[Missing]+c.Count[Refused] == 0
}

// Compare reads all that is there and all that is here, and tells of each object
// whether it is the same. It changes nothing.
func (m *Migration) Compare(ctx context.Context, each func(Verdict) error) (list []Comparison, err error) {
	chosen, here, err := m.chosen(ctx)
	if err != nil {
		return nil, err
	}
	for _, rc := range chosen {
		c := Comparison{Source: rc.Href, Calendar: here[rc.Href], Count: map[string]int{}}
		err := m.compare(ctx, rc, c.Calendar, func(v Verdict) error {
			c.Count[v.Verdict]++
			v.Calendar = c.Calendar
			return each(v)
		})
		if ctx.Err() != nil {
			return list, ctx.Err()
		}
		if err != nil {
			c.Err = plain.Error(err)
		}
		list = append(list, c)
	}
	return list, nil
}

func (m *Migration) compare(ctx context.Context, rc davclient.Calendar, id calendar.ID, each func(Verdict) error) error {
	j := &judge{rules: m.rules(), here: map[string]stored{}, verdicts: map[string]Verdict{}}
	_, err := m.Backend.Sync(ctx, m.Who, calendar.SyncRequest{Calendar: id, Data: true}, func(it calendar.SyncItem) error {
		if it.Object != nil {
			j.here[it.Object.UID] = stored{it.Object.Name, it.Object.Data}
		}
		return nil
	})
	if err != nil && !errors.Is(err, calendar.NoCalendar) {
		return err
	}
	there, err := m.Source.Members(ctx, rc.Href)
	if err != nil {
		return err
	}
	var failed error
	found := map[string]bool{}
	im := importer.Importer{Store: j, Who: m.Who, Calendar: id, Each: func(it *importer.Item) {
		v, asked := j.verdicts[it.UID]
		switch {
		case it.Outcome == importer.Refused && it.Kind == calendar.UIDConflict.String():
			v = Verdict{Verdict: Mended, Detail: "left out: " + it.Reason} // of several revisions one stays
		case it.Outcome == importer.Refused:
			v = Verdict{Verdict: Refused, Detail: it.Reason}
		case !asked || found[it.UID]:
			v = Verdict{Verdict: Mended, Detail: "left out: it is there more than once"}
		case v.Verdict == Equal && it.Mended != "":
			v.Verdict, v.Detail = Mended, it.Mended
		}
		if it.Outcome != importer.Refused {
			found[it.UID] = true
		}
		v.Source, v.Line, v.UID = it.File, it.Line, it.UID
		if err := each(v); failed == nil {
			failed = err
		}
	}}
	err = m.Source.Fetch(ctx, rc.Href, slices.Sorted(maps.Keys(there)), func(f davclient.Object) error {
		if f.Err != nil {
			im.Refuse(importer.Item{File: f.Href}, calendar.Unavailable, f.Err.Error())
			return nil
		}
		return im.File(ctx, f.Href, f.Data)
	})
	if err == nil {
		err = im.Flush(ctx)
	}
	if err = errors.Join(err, failed); err != nil {
		return err
	}
	for _, uid := range slices.Sorted(maps.Keys(j.here)) {
		if !found[uid] {
			if err := each(Verdict{UID: uid, Name: j.here[uid].name, Verdict: OnlyHere}); err != nil {
				return err
			}
		}
	}
	return nil
}

// judge stands where an import stores: it compares.
type judge struct {
	rules    object.Rules
	here     map[string]stored // by UID
	verdicts map[string]Verdict
}

type stored struct {
	name string
	data []byte
}

// PutObjects implements importer.Store.
func (j *judge) PutObjects(_ context.Context, _ calendar.Actor, req calendar.PutObjectsRequest) ([]calendar.PutItemResult, error) {
	out := make([]calendar.PutItemResult, len(req.Items))
	for i, it := range req.Items {
		uid := importer.UIDOf(it.Data)
		is, ok := j.here[uid]
		v := Verdict{Name: is.name}
		if ok {
			v.Verdict, v.Detail = compared(it.Data, is.data)
		} else if _, err := object.Parse(j.rules, it.Data, ""); err != nil {
			out[i].Err = err
		} else {
			v.Verdict = Missing
		}
		j.verdicts[uid] = v
		out[i].UID, out[i].Unchanged = uid, true
	}
	return out, nil
}

// compared tells how what is here differs from what is there.
func compared(there, here []byte) (verdict, detail string) {
	if string(there) == string(here) {
		return Equal, ""
	}
	a, err := ical.Parse(there, importer.Limits)
	if err != nil {
		return Differs, err.Error()
	}
	b, err := ical.Parse(here, importer.Limits)
	if err != nil {
		return Differs, err.Error()
	}
	if ical.Equal(a, b) {
		return Mended, "the same, written in another way"
	}
	var words []string
	if list, err := changes.Between(there, here); err == nil {
		for _, c := range list {
			words = append(words, c.String())
		}
	}
	if words == nil {
		words = []string{"in what programs write for themselves"}
	}
	return Differs, strings.Join(words, "; ")
}

package main

import (
	"encoding/json"
	"net/http"
	"net/url"
	"time"

	"factotum/cmd/internal/plain"
	"factotum/server/calendar"
	"factotum/server/service"
)

// zoneAnswer is one of the answers to csdst: first the zones, then each owner, and at
// last what it comes to.
type zoneAnswer struct {
	Was      string        `json:",omitempty"`
	Is       string        `json:",omitempty"`
	Run      string        `json:",omitempty"`
	Repaired time.Time     `json:",omitzero"`
	Zones    []zoneChanged `json:",omitempty"`
	Gone     []string      `json:",omitempty"`

	Owner calendar.Owner `json:",omitempty"`
	Items []zoneItem     `json:",omitempty"`

	End    bool  `json:",omitempty"`
	Looked int64 `json:",omitempty"` // objects
	Err    string
}

// zoneChanged is a zone whose hours differ.
type zoneChanged struct {
	Zone    string       `json:"zone"`
	Windows []zoneWindow `json:"windows"`
}

type zoneWindow struct {
	From time.Time `json:"from"`
	To   time.Time `json:"to"`
	Was  string    `json:"was"`
	Is   string    `json:"is"`
}

// zoneItem is an object that meant another hour.
type zoneItem struct {
	Calendar  calendar.ID `json:"calendar"`
	Name      string      `json:"name"`
	UID       string      `json:"uid"`
	Summary   string      `json:"summary,omitempty"`
	Does      string      `json:"does"`
	Instances int         `json:"instances,omitempty"`
	Zone      string      `json:"zone,omitempty"`
	Local     string      `json:"local,omitempty"`
	Was       time.Time   `json:"was,omitzero"`
	Is        time.Time   `json:"is,omitzero"`
	Why       string      `json:"why,omitempty"`
	Done      bool        `json:"done"`
}

const localTime = "2006-01-02 15:04"

func describeRezoned(r *service.Rezoned) zoneItem {
	it := zoneItem{Calendar: r.Calendar, Name: r.Name, UID: r.UID, Summary: r.Summary, Does: r.Does.String(), Instances: r.Moved, Why: r.Why, Done: r.Done}
	if len(r.Shifts) > 0 {
		s := r.Shifts[0]
		it.Zone, it.Local, it.Was, it.Is = s.Zone, s.Civil.Format(localTime), s.Was, s.Is
	}
	return it
}

func (o *zoneOrder) query() string {
	q := url.Values{"owner": {o.owner}, "zone": o.zones, "old": {o.old}}
	for name, t := range map[string]time.Time{"from": o.from, "to": o.to, "before": o.before} {
		if !t.IsZero() {
			q.Set(name, t.UTC().Format(time.RFC3339Nano))
		}
	}
	return q.Encode()
}

func readZoneOrder(q url.Values) (o zoneOrder, err error) {
	o = zoneOrder{owner: q.Get("owner"), zones: q["zone"], old: q.Get("old")}
	for name, t := range map[string]*time.Time{"from": &o.from, "to": &o.to, "before": &o.before} {
		if v := q.Get(name); v != "" && err == nil {
			*t, err = time.Parse(time.RFC3339Nano, v)
		}
	}
	return o, err
}

// repairZones does csdst's commands: zones, preview, apply, unpreview and undo.
func (a *adminServer) repairZones(w http.ResponseWriter, r *http.Request) {
	s := a.storeService()
	if s == nil {
		http.Error(w, "csstored does not run in this process", http.StatusConflict)
		return
	}
	o, err := readZoneOrder(r.URL.Query())
	if err != nil {
		http.Error(w, plain.Error(err), http.StatusBadRequest)
		return
	}
	command := r.PathValue("command")
	if command == "apply" || command == "undo" {
		if !s.repairing.TryLock() {
			http.Error(w, "another csdst is at work on this store: wait until it is done", http.StatusConflict)
			return
		}
		defer s.repairing.Unlock()
	}
	ctx := r.Context()
	st, err := s.zoneStep(ctx, &o)
	if err != nil {
		http.Error(w, plain.Error(err), http.StatusConflict)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	enc, flush := json.NewEncoder(w), http.NewResponseController(w)
	tell := func(v zoneAnswer) error {
		err := enc.Encode(v)
		flush.Flush()
		return err
	}
	first := zoneAnswer{Was: st.was, Is: st.is, Run: st.run, Repaired: st.repaired, Gone: st.gone}
	for _, name := range changedNames(st.change.Zones) {
		z := zoneChanged{Zone: name}
		for _, win := range st.change.Zones[name].Windows {
			z.Windows = append(z.Windows, zoneWindow{win.From, win.To, offsetName(win.Old), offsetName(win.New)})
		}
		first.Zones = append(first.Zones, z)
	}
	if tell(first) != nil {
		return
	}
	end := zoneAnswer{End: true}
	owner := calendar.Owner(o.owner)
	switch command {
	case "preview", "apply":
		run := ""
		if command == "apply" {
			run = st.run
		}
		end.Looked, err = s.model.Rezone(ctx, st.change, owner, run, func(owner calendar.Owner, list []service.Rezoned) error {
			v := zoneAnswer{Owner: owner}
			for i := range list {
				v.Items = append(v.Items, describeRezoned(&list[i]))
			}
			return tell(v)
		})
		if err == nil && run != "" && !o.limited() && o.old == "" {
			st.row.Repaired = time.Now().UTC()
			err = s.putZoneData(ctx, st.row)
		}
	case "unpreview", "undo":
		err = s.model.UndoRezone(ctx, owner, st.run, command == "unpreview", func(owner calendar.Owner, list []calendar.UndoItem) error {
			v := zoneAnswer{Owner: owner}
			for _, u := range list {
				it := zoneItem{Calendar: u.Calendar, Name: u.Name, UID: u.UID, Summary: u.Summary, Does: u.Did.String()}
				switch {
				case u.Err != nil:
					it.Why = plain.Error(u.Err)
				case u.Did == calendar.UndoConflict:
					it.Why = "it was changed again, and stays"
				default:
					it.Done = command == "undo" && u.Did != calendar.UndoNothing
				}
				v.Items = append(v.Items, it)
			}
			return tell(v)
		})
	}
	if err != nil {
		end.Err = plain.Error(err)
	}
	tell(end)
}

// offsetName writes an offset as people do: UTC-05:00.
func offsetName(d time.Duration) string {
	return "UTC" + time.Unix(0, 0).In(time.FixedZone("", int(d/time.Second))).Format("-07:00")
}

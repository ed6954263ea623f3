package calendar

import (
	"encoding/json"
	"fmt"
	"time"
)

// JobAlarm is the kind of jobs of which each waits for the next alarm of one object:
// it is there if the object has an alarm to come that the server sends, and its Due
// is when. JobPlan is the kind of those that go through objects and make such jobs.
const (
	JobAlarm = "alarm"
	JobPlan  = "plan-alarms"
)

// AlarmJob is the id of an object's JobAlarm: whoever changes an object knows by
// that of its last change which one to replace. Seq is beyond that of any job that
// follows from the change.
func AlarmJob(owner Owner, change int64) JobID {
	return JobID{Owner: owner, Change: change, Seq: 1 << 30}
}

// NextAlarm is the payload of a JobAlarm.
type NextAlarm struct {
	Cal    int64     `json:"cal"` // the incarnation of the calendar
	Name   string    `json:"name"`
	From   time.Time `json:"from"`           // when it is
	Fired  time.Time `json:"fired,omitzero"` // what was to fire before it did, or never will
	Mailed int       `json:"mailed,omitempty"`
	Day    time.Time `json:"day,omitzero"` // since when Mailed are counted
}

// Job makes a job of it that is not due before the alarm.
func (n *NextAlarm) Job(id JobID) (Job, error) {
	text, err := json.Marshal(n)
	if err != nil {
		return Job{}, fmt.Errorf("write an alarm: %w", err)
	}
	return Job{JobID: id, Kind: JobAlarm, Due: n.From, Payload: text}, nil
}

// ParseNextAlarm reads the payload of a job.
func ParseNextAlarm(job Job) (n NextAlarm, err error) {
	if err := json.Unmarshal(job.Payload, &n); err != nil {
		return n, fmt.Errorf("read an alarm: %w", err)
	}
	return n, nil
}

// PlanAlarms is the payload of a JobPlan: objects of an owner whose alarms are
// planned anew.
type PlanAlarms struct {
	Cal   int64  `json:"cal,omitempty"` // of this calendar only
	At    int64  `json:"at,omitempty"`  // of all calendars, the one that is gone through
	After string `json:"after,omitempty"`
}

// Job makes a job of it.
func (p *PlanAlarms) Job() (Job, error) {
	text, err := json.Marshal(p)
	if err != nil {
		return Job{}, fmt.Errorf("write what is planned: %w", err)
	}
	return Job{Kind: JobPlan, Payload: text}, nil
}

// ParsePlanAlarms reads the payload of a job.
func ParsePlanAlarms(job Job) (p PlanAlarms, err error) {
	if err := json.Unmarshal(job.Payload, &p); err != nil {
		return p, fmt.Errorf("read what is planned: %w", err)
	}
	return p, nil
}

// PlannedPref keeps for which alarms those of an owner's objects were planned.
const PlannedPref = "alarms:planned"

// RezonedPref keeps of which repair of time zones an owner was told by mail.
const RezonedPref = "zones:told"

package importer

import (
	"context"
	"errors"
	"io"

	"factotum/server/calendar"
)

// Job is an import of files into one calendar.
type Job struct {
	Importer
	Create   Calendars          // where the calendar is made if there is none; nil: it is there
	Made     func()             // called when it was made
	Stdin    io.Reader          // the file "-"
	Progress func(octets int64) // called with how far it is, of Total
}

// Calendars is where a calendar is looked for, and made.
type Calendars interface {
	Calendar(ctx context.Context, who calendar.Actor, id calendar.ID) (calendar.Calendar, error)
	CreateCalendar(ctx context.Context, who calendar.Actor, req calendar.CreateCalendarRequest) (calendar.Calendar, error)
}

// MakeError says why the calendar could not be made. Nothing was stored.
type MakeError struct{ Err error }

func (e *MakeError) Error() string { return e.Err.Error() }
func (e *MakeError) Unwrap() error { return e.Err }

// Total is what progress is measured by: the octets of all files.
func Total(sources []Source) (sum int64) {
	for _, s := range sources {
		sum += s.weight()
	}
	return sum
}

// weight is a file's part of the progress: something, even if its size is not
// known.
func (s Source) weight() int64 { return max(s.Size, 1) }

// Run imports files. What is wrong with a file is in the report; an error is
// the store's, and ends the job.
func (j *Job) Run(ctx context.Context, sources []Source) error {
	var before, size, within int64 // octets of the files done, of this one, and of its items done
	each := j.Each
	j.Each = func(it *Item) {
		within += int64(it.Size)
		if j.Progress != nil {
			j.Progress(before + min(within, size))
		}
		if each != nil {
			each(it)
		}
	}
	made := j.Create == nil
	for _, s := range sources {
		size, within = s.weight(), 0
		data, err := s.read(ctx, j.Stdin)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			j.Report.Files++
			j.Refuse(Item{File: s.Path}, calendar.Internal, err.Error())
			continue
		}
		if !made {
			if err := j.ensure(ctx, data); err != nil {
				return &MakeError{err}
			}
			made = true
		}
		if err := j.File(ctx, s.Path, data); err != nil {
			return err
		}
		before += size
	}
	return j.Flush(ctx)
}

// ensure makes the calendar unless it is there, as a file describes it.
func (j *Job) ensure(ctx context.Context, data []byte) error {
	_, err := j.Create.Calendar(ctx, j.Who, j.Calendar)
	if !errors.Is(err, calendar.NoCalendar) {
		return err
	}
	req := calendar.CreateCalendarRequest{Calendar: HeadOf(data).Calendar, DefaultACL: true}
	req.Calendar.ID = j.Calendar
	if _, err = j.Create.CreateCalendar(ctx, j.Who, req); err == nil && j.Made != nil {
		j.Made()
	}
	return err
}

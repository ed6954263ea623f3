package sqlstore

import (
	"errors"

	"factotum/server/calendar"
)

// announcer is called before a commit, and done after it.
type announcer func([]calendar.Committing) (done func(err error), err error)

// refusedError says that a commit was refused by who is told before it.
type refusedError struct{ error }

// BeforeCommit has fn called before transactions are committed together, with those that wrote
// in an owner's home, in the order in which they ran. Nobody sees yet what they did. If it
// fails nothing of them is kept, and their callers get its error; else done is told what came of
// the commit. Only SQLite's transactions are committed so: else it is false.
func (s *Store) BeforeCommit(fn func([]calendar.Committing) (done func(err error), err error)) bool {
	e, ok := s.engine.(*sqliteEngine)
	if ok {
		b := announcer(fn)
		e.writer.before.Store(&b)
	}
	return ok
}

// announce tells of a group that is about to be committed.
func announce(fn announcer, group []*update) (done func(error), err error) {
	var all []calendar.Committing
	for _, u := range group {
		if u.told != nil && u.err == nil && u.state.Load() == updateRunning {
			all = append(all, *u.told)
		}
	}
	if len(all) == 0 {
		return func(error) {}, nil
	}
	if done, err = fn(all); err == nil && done == nil {
		err = errors.New("nobody waits for the commit")
	}
	return done, err
}

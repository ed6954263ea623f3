package service

import (
	"fmt"
	"maps"

	"factotum/server/calendar"
)

// putRegistration keeps a registration. That is no change that anybody syncs.
func (w *writer) putRegistration(row calendar.RegistrationRow) error {
	if err := w.tx.PutRegistration(row); err != nil {
		return fmt.Errorf("keep a registration: %w", err)
	}
	return nil
}

func (w *writer) dropRegistration(id string) error {
	if err := w.tx.DeleteRegistration(id); err != nil {
		return fmt.Errorf("drop a registration: %w", err)
	}
	return nil
}

// setPrefs changes preferences.
func (w *writer) setPrefs(set map[string]string, remove []string) error {
	before, err := w.Prefs()
	if err != nil {
		return err
	}
	ch, err := w.begin(calendar.PrefsChanged, nil)
	if err != nil {
		return err
	}
	after := maps.Clone(before)
	maps.Copy(after, set)
	for _, k := range remove {
		delete(after, k)
	}
	w.answerInvites(before, after)
	calendar.SettleShares(w.owner, ch.Number, before, after)
	for k, v := range after {
		if old, had := before[k]; !had || old != v {
			if err := w.tx.SetPref(k, v); err != nil {
				return err
			}
		}
	}
	for k := range before {
		if _, stays := after[k]; !stays {
			if err := w.tx.DeletePref(k); err != nil {
				return err
			}
		}
	}
	ch.PrefsBefore, ch.PrefsAfter = before, after
	return w.end(ch)
}

// setEntry notes whose home it is. That is no change that anybody syncs.
func (w *writer) setEntry(entry string) error {
	if err := w.tx.SetEntry(entry); err != nil {
		return fmt.Errorf("note whose home it is: %w", err)
	}
	return nil
}

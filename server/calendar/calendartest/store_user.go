package calendartest

import (
	"maps"
	"time"
)

func (t *tx) Prefs() (map[string]string, error) { return maps.Clone(t.home.prefs), nil }

func (t *tx) SetPref(key, value string) error { set(t, t.home.prefs, key, value); return nil }

func (t *tx) DeletePref(key string) error { unset(t, t.home.prefs, key); return nil }

func (t *tx) Token(token string) ([]byte, bool, error) {
	r, ok := t.home.tokens[token]
	return r, ok, nil
}

func (t *tx) SetToken(token string, result []byte, _ time.Time) error {
	set(t, t.home.tokens, token, result)
	return nil
}

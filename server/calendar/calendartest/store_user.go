package calendartest

import (
	"maps"
	"slices"
	"time"
)

func (t *tx) Prefs() (map[string]string, error) { return maps.Clone(t.home.prefs), nil }

func (t *tx) SetPref(key, value string) error { set(t, t.home.prefs, key, value); return nil }

func (t *tx) DeletePref(key string) error { unset(t, t.home.prefs, key); return nil }

func (t *tx) Token(token string) ([]byte, bool, error) {
	r, ok := t.home.tokens[token]
	return r, ok, nil
}

func (t *tx) Tokens(fn func(token string, result []byte, when time.Time) error) error {
	for _, token := range slices.Sorted(maps.Keys(t.home.tokens)) {
		if err := fn(token, t.home.tokens[token], time.Now()); err != nil {
			return err
		}
	}
	return nil
}

func (t *tx) SetToken(token string, result []byte, _ time.Time) error {
	set(t, t.home.tokens, token, result)
	return nil
}

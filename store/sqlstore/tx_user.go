package sqlstore

import "time"

// Prefs are the owner's preferences.
func (t *tx) Prefs() (map[string]string, error) {
	prefs := map[string]string{}
	err := t.conn.query(sqlPrefs, args(t.owner), func(r scanner) error {
		var name, value string
		if err := r.scan(&name, &value); err != nil {
			return err
		}
		prefs[name] = value
		return nil
	})
	return prefs, t.wrap("read preferences", err)
}

// SetPref sets one preference; an empty value is a value.
func (t *tx) SetPref(key, value string) error {
	return t.exec("set a preference", sqlSetPref, t.owner, key, value)
}

// DeletePref removes one preference; it need not exist.
func (t *tx) DeletePref(key string) error {
	return t.exec("remove a preference", sqlDropPref, t.owner, key)
}

// Token finds the outcome of the write that carried the request token.
func (t *tx) Token(token string) (result []byte, ok bool, err error) {
	if result, known := t.ahead.token(token); known {
		return result, result != nil, nil
	}
	ok, err = t.row("find a request token", sqlToken, args(t.owner, token), &result)
	return result, ok, err
}

// Tokens streams the outcomes of the owner's writes.
func (t *tx) Tokens(fn func(token string, result []byte, when time.Time) error) error {
	err := t.conn.query(sqlTokens, args(t.owner), func(r scanner) error {
		var token string
		var result []byte
		var made int64
		if err := r.scan(&token, &result, &made); err != nil {
			return err
		}
		return fn(token, octets(result), fromMicros(made))
	})
	return t.wrap("read request tokens", err)
}

// SetToken remembers the outcome of a write with a request token.
func (t *tx) SetToken(token string, result []byte, when time.Time) error {
	t.ahead.setToken(token, result)
	return t.exec("keep a request token", sqlSetToken, t.owner, token, micros(when), octets(result))
}

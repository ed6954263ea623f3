package sqlstore

import (
	"encoding/json"

	"factotum/server/calendar"
)

const (
	registrationColumns = `id, kind, cal, expires, detail`

	sqlRegistrations = `SELECT ` + registrationColumns + ` FROM registrations WHERE owner = $1 ORDER BY id`
	sqlRegistration  = `SELECT ` + registrationColumns + ` FROM registrations WHERE owner = $1 AND id = $2`

	sqlPutRegistration = `INSERT INTO registrations (owner, ` + registrationColumns + `) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (owner, id) DO UPDATE SET kind = excluded.kind, cal = excluded.cal, expires = excluded.expires, detail = excluded.detail`
	sqlDropRegistration = `DELETE FROM registrations WHERE owner = $1 AND id = $2`
	sqlRegisteredKinds  = `SELECT DISTINCT kind FROM registrations WHERE owner = $1`
)

func readRegistration(r scanner, row *calendar.RegistrationRow) error {
	var kind, detail string
	var expires int64
	if err := r.scan(&row.ID, &kind, &row.Cal, &expires, &detail); err != nil {
		return err
	}
	row.Kind, row.Expires = calendar.RegistrationKind(kind), fromMicros(expires)
	return json.Unmarshal([]byte(detail), &row.RegistrationDetail)
}

// Registrations lists those of the owner's home by id.
func (t *tx) Registrations() ([]calendar.RegistrationRow, error) {
	return collect(t, "list registrations", sqlRegistrations, args(t.owner), nil, readRegistration)
}

// Registration returns one of them.
func (t *tx) Registration(id string) (row calendar.RegistrationRow, ok bool, err error) {
	if !storable(id) {
		return row, false, nil
	}
	err = t.conn.query(sqlRegistration, args(t.owner, id), func(r scanner) error {
		ok = true
		return readRegistration(r, &row)
	})
	return row, ok, t.wrap("read a registration", err)
}

// PutRegistration inserts or replaces one by its id.
func (t *tx) PutRegistration(row calendar.RegistrationRow) error {
	const op = "store a registration"
	detail, err := json.Marshal(row.RegistrationDetail)
	if err != nil {
		return t.wrap(op, err)
	}
	if err := t.exec(op, sqlPutRegistration, t.owner, row.ID, string(row.Kind), row.Cal, micros(row.Expires), string(detail)); err != nil {
		return err
	}
	bit := int64(row.Kind.Bit())
	if err := t.loadHome(); err != nil || t.home.registered&bit != 0 {
		return err
	}
	return t.setRegistered(t.home.registered | bit)
}

// DeleteRegistration removes one; it need not exist.
func (t *tx) DeleteRegistration(id string) error {
	if n, err := t.count("delete a registration", sqlDropRegistration, t.owner, id); err != nil || n == 0 {
		return err
	}
	kinds, err := t.registeredKinds()
	if err != nil {
		return err
	}
	if err := t.loadHome(); err != nil || kinds == t.home.registered {
		return err
	}
	return t.setRegistered(kinds)
}

func (t *tx) registeredKinds() (bits int64, err error) {
	_, err = collect(t, "count registrations", sqlRegisteredKinds, args(t.owner), nil, func(r scanner, kind *string) error {
		err := r.scan(kind)
		bits |= int64(calendar.RegistrationKind(*kind).Bit())
		return err
	})
	return bits, err
}

// setRegistered notes which kinds the home has. That is seldom, so it is a
// statement of its own.
func (t *tx) setRegistered(kinds int64) error {
	if err := t.makeHome(); err != nil {
		return err
	}
	if err := t.flushHome(); err != nil {
		return err
	}
	t.home.registered = kinds
	return t.exec("note what is registered", sqlSetRegistered, t.owner, kinds)
}

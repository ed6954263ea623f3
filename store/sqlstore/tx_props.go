package sqlstore

import "factotum/server/calendar"

const (
	sqlProps    = `SELECT space, local, value FROM props WHERE owner = $1 AND cal = $2 AND name = $3 ORDER BY space, local`
	sqlAnyProps = `SELECT name FROM props WHERE owner = $1 AND cal = $2 AND name > '' LIMIT 1`
	sqlAllProps = `SELECT name, space, local, value FROM props WHERE owner = $1 AND cal = $2 AND name > '' ORDER BY name, space, local`

	// PostgreSQL: name by name, while without statistics it would rather walk
	// through the calendar. OFFSET keeps the two parts two.
	sqlPropsByName = `SELECT p.name, p.space, p.local, p.value FROM unnest($3::text[]) AS n,
LATERAL (SELECT name, space, local, value FROM props WHERE owner = $1 AND cal = $2 AND name = n OFFSET 0) p` + propsOrder
	propsOrder = ` ORDER BY p.name, p.space, p.local`

	sqlSetProp = `INSERT INTO props (owner, cal, name, space, local, value) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (owner, cal, name, space, local) DO UPDATE SET value = excluded.value`

	sqlDropProp  = `DELETE FROM props WHERE owner = $1 AND cal = $2 AND name = $3 AND space = $4 AND local = $5`
	sqlDropProps = `DELETE FROM props WHERE owner = $1 AND cal = $2 AND name = $3`

	sqlPrefs    = `SELECT name, value FROM prefs WHERE owner = $1`
	sqlSetPref  = `INSERT INTO prefs (owner, name, value) VALUES ($1, $2, $3) ON CONFLICT (owner, name) DO UPDATE SET value = excluded.value`
	sqlDropPref = `DELETE FROM prefs WHERE owner = $1 AND name = $2`

	sqlToken    = `SELECT result FROM tokens WHERE owner = $1 AND token = $2`
	sqlTokens   = `SELECT token, result, made FROM tokens WHERE owner = $1 ORDER BY token`
	sqlSetToken = `INSERT INTO tokens (owner, token, made, result) VALUES ($1, $2, $3, $4)
ON CONFLICT (owner, token) DO UPDATE SET made = excluded.made, result = excluded.result`
)

// Props lists the dead properties of one object, or with name "" of the
// calendar itself, by namespace and name.
func (t *tx) Props(cal int64, name string) ([]calendar.DeadProp, error) {
	if f := t.ahead.object(cal, name); f != nil && !f.props {
		return nil, nil
	}
	return collect(t, "read properties", sqlProps, args(t.owner, cal, name), nil, func(r scanner, p *calendar.DeadProp) error {
		return r.scan(&p.Space, &p.Local, &p.Value)
	})
}

// AllProps lists the dead properties of all objects of the calendar.
func (t *tx) AllProps(cal int64) (map[string][]calendar.DeadProp, error) {
	return t.propsByName(sqlAllProps, args(t.owner, cal))
}

// PropsByName lists the dead properties of the objects of these names. Most
// calendars have none, which is one look.
func (t *tx) PropsByName(cal int64, names []string) (map[string][]calendar.DeadProp, error) {
	if t.conn.arrays() {
		return t.propsByName(sqlPropsByName, args(t.owner, cal, names))
	}
	var first string
	ok, err := t.row("read properties", sqlAnyProps, args(t.owner, cal), &first)
	if err != nil || !ok {
		return nil, err
	}
	found := map[string][]calendar.DeadProp{}
	for _, name := range names {
		props, err := t.Props(cal, name)
		if err != nil {
			return nil, err
		}
		if len(props) > 0 {
			found[name] = props
		}
	}
	return found, nil
}

func (t *tx) propsByName(text string, args []any) (map[string][]calendar.DeadProp, error) {
	all := map[string][]calendar.DeadProp{}
	err := t.conn.query(text, args, func(r scanner) error {
		var name string
		var p calendar.DeadProp
		if err := r.scan(&name, &p.Space, &p.Local, &p.Value); err != nil {
			return err
		}
		all[name] = append(all[name], p)
		return nil
	})
	return all, t.wrap("read properties", err)
}

// SetProp sets one dead property.
func (t *tx) SetProp(cal int64, name string, p calendar.DeadProp) error {
	t.ahead.drop(cal, name)
	return t.exec("set a property", sqlSetProp, t.owner, cal, name, p.Space, p.Local, p.Value)
}

// DeleteProp removes one dead property; it need not exist.
func (t *tx) DeleteProp(cal int64, name, space, local string) error {
	t.ahead.drop(cal, name)
	return t.exec("remove a property", sqlDropProp, t.owner, cal, name, space, local)
}

// DeleteProps removes all dead properties of one object or the calendar itself.
func (t *tx) DeleteProps(cal int64, name string) error {
	t.ahead.drop(cal, name)
	return t.exec("remove properties", sqlDropProps, t.owner, cal, name)
}

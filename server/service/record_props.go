package service

import "factotum/server/calendar"

// changeObjectProps changes dead properties of an object. The home's number
// moves so that nothing read before is taken for what is there; the calendar's
// does not: its members are as they were.
func (w *writer) changeObjectProps(p *place, o calendar.ObjectRow, changes []calendar.PropChange) error {
	ch, err := w.begin(calendar.ObjectProps, &p.row)
	if err != nil {
		return err
	}
	before, err := w.Props(p.row.ID, o.Name)
	if err != nil {
		return err
	}
	after, err := w.changeProps(p.row.ID, o.Name, refOf(p.id, o.Name), changes)
	if err != nil {
		return err
	}
	ch.Name = o.Name
	ch.Before, ch.After = calendar.NewVersion(o, nil, nil), calendar.NewVersion(o, nil, nil)
	ch.Before.Props, ch.After.Props = before, after
	return w.end(ch)
}

// changeProps carries out the instructions of a PROPPATCH on a resource, whose
// dead properties it returns.
func (w *writer) changeProps(cal int64, name, ref string, changes []calendar.PropChange) ([]calendar.DeadProp, error) {
	for _, ch := range changes {
		var err error
		if ch.Remove {
			err = w.tx.DeleteProp(cal, name, ch.Prop.Space, ch.Prop.Local)
		} else {
			err = w.tx.SetProp(cal, name, ch.Prop)
		}
		if err != nil {
			return nil, err
		}
	}
	have, err := w.Props(cal, name)
	if err != nil {
		return nil, err
	}
	if _, rest := calendar.CutPersonal(have); len(changes) > 0 && len(rest) > w.s.opt.Limits.Props {
		return nil, calendar.Failf(calendar.TooLarge, "", w.op, ref, "a resource keeps at most %d properties", w.s.opt.Limits.Props)
	}
	return have, nil
}

func (w *writer) replaceProps(cal int64, name string, had bool, props []calendar.DeadProp) error {
	if had {
		if err := w.tx.DeleteProps(cal, name); err != nil {
			return err
		}
	}
	for _, p := range props {
		if err := w.tx.SetProp(cal, name, p); err != nil {
			return err
		}
	}
	return nil
}

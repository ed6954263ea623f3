package wcap

import (
	"bytes"
	"slices"
	"strings"

	"factotum/server/calendar"
	"factotum/server/ical"
	"factotum/server/object"
	"factotum/server/zone"
)

// importFile stores the components of a file. A component whose UID is there
// is replaced. What cannot be stored is left out: errno 35 says that the file
// did not come in whole, and the answer tells which components and why. WCAP
// import.
func (c *call) importFile() error {
	if c.r.Method != "POST" {
		return BadImportArguments
	}
	t, err := c.one()
	if err != nil {
		return t.because(err)
	}
	in := c.zone()
	w, err := c.window(in)
	if err != nil {
		return BadImportArguments
	}
	tree, err := c.uploaded()
	if err != nil {
		return err
	}
	c.block(&t, func(t *target) error {
		req := calendar.PutObjectsRequest{Replace: true}
		if !open(w) {
			req.Within = &w
		}
		comps := slices.DeleteFunc(slices.Clone(tree.Children), func(k *ical.Component) bool { return k.Name == "VTIMEZONE" })
		var failed []*ical.Component
		refused := func(item *object.Item, err error) {
			it := calendar.EditItemResult{UID: item.UID}
			failed = append(failed, brief(comps[item.First-1].Name, &it, status("Import", c.errno(err)), t, c))
		}
		var sent []*object.Item // of the items of the request
		var split []object.Item
		put := func() ([]calendar.PutItemResult, error) {
			req.Calendar, req.Items, sent = t.id, nil, nil
			split = object.Split(tree, nil, func(n int) string { return object.DerivedUID(string(t.id)+"\x00"+tree.Value("PRODID"), n) })
			for i := range split {
				if item := &split[i]; item.Err == nil {
					req.Items, sent = append(req.Items, calendar.PutItem{Data: item.Data}), append(sent, item)
				}
			}
			return c.be.PutObjects(c.ctx, c.who, req)
		}
		results, err := put()
		if err != nil && c.respell(t, err) {
			results, err = put()
		}
		if calendar.KindOf(err) == calendar.Unsupported {
			err = NoSuchCalendar // a collection of files is no calendar here
		}
		if err != nil {
			return err
		}
		for i := range split {
			if split[i].Err != nil {
				refused(&split[i], split[i].Err)
			}
		}
		for i, r := range results {
			if r.Err != nil {
				refused(sent[i], r.Err)
			}
		}
		c.out.begin("PUBLISH")
		if len(failed) == 0 {
			return nil
		}
		c.out.errno(ImportFailed)
		for _, k := range failed {
			if err := c.out.comp(k); err != nil {
				return err
			}
		}
		c.out.end()
		return errAnswered
	})
	return nil
}

// importLimits let a file in that has as many components as its size, which the
// limit of the request bounds, has room for: what export gives.
var importLimits = ical.Limits{MaxBytes: 1 << 30, MaxComponents: 500_000, MaxProps: 2_000_000}

// uploaded reads the file of the request: the first part that is one, or the
// body itself.
func (c *call) uploaded() (*ical.Component, error) {
	var data []byte
	enc := charsetNamed(c.p.text("charset"))
	if i := slices.IndexFunc(c.body.parts, func(p part) bool { return len(p.data) > 0 }); i >= 0 {
		data = c.body.parts[i].data
		if named := charsetOf(c.body.parts[i].header.Get("Content-Type")); named != nil {
			enc = named
		}
	} else if x, ok := c.p.find("Upload"); ok {
		data = []byte(x.exact())
	}
	if len(bytes.TrimSpace(data)) == 0 {
		return nil, BadImportArguments
	}
	kind := strings.ToLower(c.p.text("content-in"))
	switch kind {
	case "text/calendar", "":
		tree := ical.New("VCALENDAR")
		var zones zone.Merger
		for cal, err := range ical.ParseStream(bytes.NewReader(ical.ToUTF8([]byte(toUTF8(string(data), enc)))), importLimits) {
			if err != nil {
				return nil, BadImportArguments
			}
			if tree.Prop("PRODID") == nil {
				tree.Props = cal.Props
			}
			tree.AddChild(zones.Add(cal)...)
		}
		return tree, nil
	case "text/xml":
		tree, err := parseXML(data, enc)
		if err != nil {
			return nil, BadImportArguments
		}
		return tree, nil
	}
	return nil, BadImportArguments
}

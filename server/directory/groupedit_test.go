package directory

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"factotum/server/calendar"
	"factotum/server/directory/ldaptest"
)

// bothEditors runs a test with the editor of each source, over the groups of
// testdata.
func bothEditors(t *testing.T, test func(t *testing.T, ed GroupEditor, look func() *Directory)) {
	data, err := os.ReadFile("testdata/groups.ldif")
	if err != nil {
		t.Fatal(err)
	}
	t.Run("ldif", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "groups.ldif")
		writeFile(t, path, string(data))
		opt := Options{LDIF: path, DefaultDomain: "sesta.com"}
		ed, err := NewEditor(opt)
		if err != nil {
			t.Fatal(err)
		}
		d := open(t, opt)
		test(t, ed, func() *Directory {
			if err := d.Refresh(); err != nil {
				t.Fatal(err)
			}
			return d
		})
	})
	t.Run("ldap", func(t *testing.T) {
		ed, err := NewLDAPEditor(ldapOptions(ldaptest.Start(t, string(data))))
		if err != nil {
			t.Fatal(err)
		}
		defer ed.Close()
		test(t, ed, func() *Directory { return ed.dir })
	})
}

func TestGroupEditors(t *testing.T) {
	bothEditors(t, func(t *testing.T, ed GroupEditor, look func() *Directory) {
		ctx := t.Context()
		members := func(id, want string) {
			t.Helper()
			found, _, err := look().Members(ctx, id, false, 0)
			if got := names(found); err != nil || got != want {
				t.Errorf("members of %s: %s, %v; want %s", id, got, err, want)
			}
		}
		id, err := ed.CreateGroup(ctx, NewPerson{ID: "Board", Name: "The Board", Owner: "anna", CoOwners: []string{"bert"}, TZID: "Europe/Berlin",
			Members: []string{"anna", "a.berg@sesta.com", "names", "Guest@Else.example"}, Doubles: "0", AutoAccept: "1", ACL: "@@o^a^rsf^g"})
		if err != nil || id != "board" {
			t.Fatalf("%q, %v", id, err)
		}
		members("board", "anna, guest@else.example <guest@else.example>, names")
		p, err := look().Person(ctx, "board")
		if err != nil || p.Kind != calendar.Group || p.Name != "The Board" || p.Mail() != "board@sesta.com" || p.Owner != "anna" || len(p.CoOwners) != 1 ||
			p.TZID != "Europe/Berlin" || !p.NoDoubles || !p.AutoReply || p.ACL != "@@o^a^rsf^g" || !p.Active {
			t.Errorf("%+v, %v", p, err)
		}
		change := func(c GroupChange) {
			t.Helper()
			if err := ed.ChangeGroup(ctx, "board", c); err != nil {
				t.Fatalf("%+v: %v", c, err)
			}
		}
		change(GroupChange{Add: []string{"carl", "anna", "anna@siroe.com"}})
		members("board", "anna, anna@siroe.com, carl, guest@else.example <guest@else.example>, names")
		change(GroupChange{Remove: []string{"anna@sesta.com", "GUEST@else.example"}, Add: []string{"bert"}})
		members("board", "anna@siroe.com, bert, carl, names")
		text := func(s string) *string { return &s }
		change(GroupChange{Name: text("New Board"), Mail: text("nb@sesta.com"), Owner: text("carl"), CoOwners: &[]string{}, TZID: text(""), AutoAccept: text("0")})
		p, err = look().Person(ctx, "board")
		if err != nil || p.Name != "New Board" || p.Mail() != "nb@sesta.com" || p.Owner != "carl" || len(p.CoOwners) != 0 || p.TZID != "" || p.AutoReply || !p.NoDoubles {
			t.Errorf("%+v, %v", p, err)
		}

		if id, err := ed.CreateGroup(ctx, NewPerson{ID: "found", Domain: "siroe.com", MemberURLs: []string{"ldap:///o=siroe.com,o=usergroup??sub?(objectClass=icsCalendarUser)"}}); err != nil || id != "found@siroe.com" {
			t.Fatalf("%q, %v", id, err)
		}
		members("found@siroe.com", "anna@siroe.com")
		if err := ed.ChangeGroup(ctx, "found@siroe.com", GroupChange{MemberURLs: &[]string{"ldap:///o=sesta.com,o=usergroup??sub?(uid=bert)"}}); err != nil {
			t.Fatal(err)
		}
		members("found@siroe.com", "bert")

		for name, c := range map[string]struct {
			err  error
			want calendar.Kind
			says string
		}{
			"taken":             {second(ed.CreateGroup(ctx, NewPerson{ID: "ANNA", Members: []string{"bert"}})), calendar.Exists, "taken"},
			"address taken":     {second(ed.CreateGroup(ctx, NewPerson{ID: "x1", Mail: "bert@sesta.com", Members: []string{"bert"}})), calendar.Exists, "taken"},
			"name taken":        {second(ed.CreateGroup(ctx, NewPerson{ID: "x0", Name: "the board", Members: []string{"bert"}})), calendar.Exists, "-n gives another name"},
			"address taken now": {ed.ChangeGroup(ctx, "board", GroupChange{Mail: text("bert@sesta.com")}), calendar.Exists, "taken"},
			"no such member":    {ed.ChangeGroup(ctx, "board", GroupChange{Add: []string{"nobody"}}), calendar.NotFound, "nobody"},
			"not in it":         {ed.ChangeGroup(ctx, "board", GroupChange{Remove: []string{"anna"}}), calendar.NotFound, "no member"},
			"in itself":         {ed.ChangeGroup(ctx, "board", GroupChange{Add: []string{"board"}}), calendar.Invalid, "itself"},
			"owned by a group":  {ed.ChangeGroup(ctx, "board", GroupChange{Owner: text("names")}), calendar.Invalid, "person"},
			"no group":          {ed.ChangeGroup(ctx, "anna", GroupChange{Add: []string{"bert"}}), calendar.Invalid, "no group"},
			"nobody":            {ed.ChangeGroup(ctx, "nothing", GroupChange{Add: []string{"bert"}}), calendar.NotFound, ""},
			"a search":          {ed.ChangeGroup(ctx, "sub", GroupChange{Add: []string{"bert"}}), calendar.Invalid, "search"},
			"both":              {second(ed.CreateGroup(ctx, NewPerson{ID: "x2", Members: []string{"bert"}, MemberURLs: []string{"ldap:///o=usergroup"}})), calendar.Invalid, "both"},
			"a bad search":      {second(ed.CreateGroup(ctx, NewPerson{ID: "x3", MemberURLs: []string{"ldap:///o=usergroup??sub?(broken"}})), calendar.Invalid, ""},
			"no such domain":    {second(ed.CreateGroup(ctx, NewPerson{ID: "x4", Domain: "nowhere.example", Members: []string{"bert"}})), calendar.NotFound, "domain"},
		} {
			if !errors.Is(c.err, c.want) || !strings.Contains(c.err.Error(), c.says) {
				t.Errorf("%s: %v, want %v with %q", name, c.err, c.want, c.says)
			}
		}

		if err := ed.DeleteGroup(ctx, "names"); err != nil {
			t.Fatal(err)
		}
		members("board", "anna@siroe.com, bert, carl")
		if _, err := look().Person(ctx, "names"); !errors.Is(err, calendar.NotFound) {
			t.Errorf("deleted: %v", err)
		}
	})
}

func second(_ calendar.UserID, err error) error { return err }

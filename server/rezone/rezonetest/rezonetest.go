// Package rezonetest has zones as they were before their countries changed the
// clocks, for tests: in the zone database's own words, compiled by zic.
package rezonetest

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"factotum/server/recur"
)

// Case is an hour that became another.
type Case struct {
	Zone    string
	Civil   string // 20060102T150405
	Was, Is string // with Z
	Same    string // an hour of the same zone that stayed
}

// Cases are those of the United States and Canada 2007, Mexico and Jordan 2022, Egypt
// 2023, Greenland 2023 and 2024, and Paraguay 2024.
var Cases = []Case{
	{"America/New_York", "20070312T090000", "20070312T140000Z", "20070312T130000Z", "20070412T090000"},
	{"America/Toronto", "20071030T090000", "20071030T140000Z", "20071030T130000Z", "20070710T090000"},
	{"America/Mexico_City", "20230605T090000", "20230605T140000Z", "20230605T150000Z", "20230105T090000"},
	{"Asia/Amman", "20221115T090000", "20221115T070000Z", "20221115T060000Z", "20220615T090000"},
	{"Africa/Cairo", "20230605T090000", "20230605T070000Z", "20230605T060000Z", "20230105T090000"},
	{"America/Nuuk", "20231115T090000", "20231115T120000Z", "20231115T110000Z", "20220115T090000"},
	{"America/Nuuk", "20240605T090000", "20240605T110000Z", "20240605T100000Z", "20220115T090000"},
	{"America/Asuncion", "20250605T090000", "20250605T130000Z", "20250605T120000Z", "20241205T090000"},
}

// Since is when the newer rules of all of them were in use.
var Since = time.Date(2025, 4, 1, 0, 0, 0, 0, time.UTC)

// old is what the releases before said.
const old = `Rule	US	1967	max	-	Oct	lastSun	2:00	0	S
Rule	US	1967	1973	-	Apr	lastSun	2:00	1:00	D
Rule	US	1974	only	-	Jan	6	2:00	1:00	D
Rule	US	1975	only	-	Feb	lastSun	2:00	1:00	D
Rule	US	1976	1986	-	Apr	lastSun	2:00	1:00	D
Rule	US	1987	max	-	Apr	Sun>=1	2:00	1:00	D
Zone	America/New_York	-5:00	US	E%sT
Zone	America/Toronto	-5:00	US	E%sT
Rule	Mexico	1996	2000	-	Apr	Sun>=1	2:00	1:00	D
Rule	Mexico	2001	only	-	May	Sun>=1	2:00	1:00	D
Rule	Mexico	2001	only	-	Sep	lastSun	2:00	0	S
Rule	Mexico	2002	max	-	Apr	Sun>=1	2:00	1:00	D
Rule	Mexico	1996	2000	-	Oct	lastSun	2:00	0	S
Rule	Mexico	2002	max	-	Oct	lastSun	2:00	0	S
Zone	America/Mexico_City	-6:00	Mexico	C%sT
Rule	Jordan	2014	2021	-	Mar	lastThu	24:00	1:00	S
Rule	Jordan	2014	max	-	Oct	lastFri	0:00s	0	-
Rule	Jordan	2022	max	-	Feb	lastThu	24:00	1:00	S
Zone	Asia/Amman	2:00	Jordan	EE%sT
Zone	Africa/Cairo	2:00	-	EET
Rule	EU	1981	max	-	Mar	lastSun	1:00u	1:00	S
Rule	EU	1996	max	-	Oct	lastSun	1:00u	0	-
Zone	America/Nuuk	-3:00	EU	-03/-02
Rule	Para	2010	max	-	Oct	Sun>=1	0:00	1:00	-
Rule	Para	2013	max	-	Mar	Sun>=22	0:00	0	-
Zone	America/Asuncion	-4:00	Para	-04/-03
`

// Names are the zones.
func Names() []string {
	return []string{"America/New_York", "America/Toronto", "America/Mexico_City", "Asia/Amman", "Africa/Cairo", "America/Nuuk", "America/Asuncion"}
}

// Old is a release with these zones as they were, and no others.
func Old(t testing.TB) *recur.Data {
	t.Helper()
	zic, err := exec.LookPath("zic")
	if err != nil {
		if zic, err = exec.LookPath("/usr/sbin/zic"); err != nil {
			if os.Getenv("CI") == "true" {
				t.Fatal("zic is not installed (Debian: libc-bin)")
			}
			t.Skip("zic is not installed (Debian: libc-bin)")
		}
	}
	dir := t.TempDir()
	src := filepath.Join(dir, "old")
	if err := os.WriteFile(src, []byte(old), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(zic, "-b", "fat", "-d", filepath.Join(dir, "out"), src).CombinedOutput(); err != nil {
		t.Fatalf("zic: %v: %s", err, out)
	}
	zones := map[string][]byte{}
	for _, name := range Names() {
		if zones[name], err = os.ReadFile(filepath.Join(dir, "out", name)); err != nil {
			t.Fatal(err)
		}
	}
	return &recur.Data{Version: "old", Source: src, Load: func(name string) ([]byte, error) {
		if data := zones[name]; data != nil {
			return data, nil
		}
		return nil, recur.ErrNoZone
	}}
}

// Changed are the zones whose hours differ between Old and the data of the program.
func Changed(t testing.TB, d *recur.Data) map[string]*recur.ZoneChange {
	t.Helper()
	was, err := recur.RulesOf(d, Names()...)
	if err != nil {
		t.Fatal(err)
	}
	is, err := recur.RulesOf(nil, Names()...)
	if err != nil {
		t.Fatal(err)
	}
	changed, gone := was.Diff(is)
	if len(changed) != len(Names()) || len(gone) > 0 {
		t.Fatalf("%d zones changed, gone %v: is the zone database older than 2024b?", len(changed), gone)
	}
	return changed
}

package simulate

import (
	"math"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

func TestProfile(t *testing.T) {
	p := Apple()
	if err := p.Set("poll=4,create=0.5"); err != nil || p.Rates[Poll] != 4 || p.Rates[Create] != 0.5 || p.Rates[Invite] != 0.25 {
		t.Errorf("%v %v", p.Rates, err)
	}
	if got, want := p.gap(1000, 10), float64(time.Hour)/(p.Total()*10_000); math.Abs(float64(got)-want) > 1 {
		t.Errorf("every %v, want %v", got, time.Duration(want))
	}
	dealt := map[Op]int{}
	for range 10_000 {
		dealt[p.pick()]++
	}
	for _, op := range Ops {
		if want := 10_000 * p.Rates[op] / p.Total(); math.Abs(float64(dealt[op])-want) > 5*math.Sqrt(want)+1 {
			t.Errorf("%s was dealt %d times of %.0f", op, dealt[op], want)
		}
	}
	for words, says := range map[string]string{"poll": "want an operation", "poll=-1": "how often", "fly=1": "is no operation",
		"discover=0,poll=0,month=0,create=0,update=0,delete=0,invite=0,reply=0,freebusy=0": "nobody would do anything"} {
		if err := Apple().Set(words); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", words, err)
		}
	}
}

func TestAccounts(t *testing.T) {
	dir := t.TempDir()
	var ldif, table strings.Builder
	if err := WriteAccounts(&ldif, &table, 3, "example.org", "a,b"); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(ldif.String(), "\n\ndn: uid=sim00000"); n != 2 || !strings.HasPrefix(ldif.String(), "\ndn: uid=sim000001,ou=People,o=example.org\n") {
		t.Errorf("%s", &ldif)
	}
	read := func(text string) ([]Account, error) {
		path := filepath.Join(dir, "table")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return ReadAccounts(path)
	}
	list, err := read(table.String())
	if err != nil || len(list) != 3 || list[2] != (Account{"sim000003", "sim000003@example.org", "a,b"}) {
		t.Errorf("%v %v", list, err)
	}
	for text, says := range map[string]string{"": "two accounts", "user,mail,password\na,b,c\n": "two accounts", "a,b,c\nd,e,f\n": "name the columns", "user,mail,password\na,b\n": "wrong number of fields"} {
		if _, err := read(text); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// What was in the way is named.
func TestJudge(t *testing.T) {
	all := runtime.NumCPU()
	slow := Timing{Count: 1000, P95: 3 * time.Second}
	for says, s := range map[string]Step{
		"":                                 {Wanted: 10},
		"this simulation took":             {Own: float64(all)},
		"host took 3.9 of its 4 cores":     {Hosts: []Host{{Name: "host", Cores: 3.9, Of: 4}}},
		"a commit at host takes 90ms":      {Hosts: []Host{{Name: "host", Cores: 0.1, Of: 4, Commit: 90 * time.Millisecond}}},
		"where all is on this machine":     {Own: 0.5 * float64(all), Hosts: []Host{{Name: "host", Cores: 0.4 * float64(all), Of: 64}}},
		"--metrics tells":                  {},
		"look at the network":              {Hosts: []Host{{Name: "host", Of: 4}}},
		"20 of 1020 operations failed (x)": {Failed: 20, Failure: "x"},
	} {
		took := slow
		if says == "" || s.Failed > 0 {
			took.P95 = time.Millisecond
		}
		s.judge(took, time.Second)
		if s.Carried != (says == "") || !strings.Contains(s.Why, says) {
			t.Errorf("%s: %v %q", says, s.Carried, s.Why)
		}
	}
	late := Step{Wanted: 10, Behind: 11}
	if late.judge(Timing{Count: 100}, time.Second); late.Carried {
		t.Error("what did not begin counts for nothing")
	}
}

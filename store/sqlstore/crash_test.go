package sqlstore_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"factotum/server/calendar"
	"factotum/store/sqlstore"
	"factotum/store/storetest/pgtest"
)

// The crash tests run this binary again as a child that writes and tells of
// each acknowledged write on its standard output, and kill it at any moment.
const crashEnv = "SQLSTORE_CRASH_CHILD" // "sqlite PATH" or "postgres DSN"

func TestMain(m *testing.M) {
	if how := os.Getenv(crashEnv); how != "" {
		if err := crashChild(how); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
		os.Exit(1) // it is killed before it comes here
	}
	os.Exit(m.Run())
}

func crashOpen(how string) (*sqlstore.Store, error) {
	engine, where, _ := strings.Cut(how, " ")
	if engine == "postgres" {
		return sqlstore.OpenPostgres(context.Background(), where, sqlstore.Options{})
	}
	return sqlstore.OpenSQLite(context.Background(), where, sqlstore.Options{})
}

const crashOwners = 4

// crashData is the text of an object: long enough to spill over a page.
func crashData(name string, version int) []byte {
	return []byte(strings.Repeat(fmt.Sprintf("%s %d\n", name, version), 300))
}

func crashChild(how string) error {
	s, err := crashOpen(how)
	if err != nil {
		return err
	}
	run := rand.Uint64()
	var wg sync.WaitGroup
	crashDelete(s, 1) // before so much is written that it is killed
	wg.Go(func() { crashDelete(s, math.MaxInt) })
	for i := range 8 {
		wg.Go(func() {
			owner := calendar.Owner(fmt.Sprint("owner", i%crashOwners))
			for n := 0; ; n++ {
				name := fmt.Sprintf("%x-%d-%d", run, i, n/3) // each is written three times
				if err := crashPut(s, owner, name, n%3); err != nil {
					fmt.Fprintln(os.Stderr, err)
					return
				}
				// One write of one line: whole, or not there.
				fmt.Fprintf(os.Stdout, "%s %s %d\n", owner, name, n%3)
			}
		})
	}
	wg.Wait()
	return nil
}

func crashPut(s *sqlstore.Store, owner calendar.Owner, name string, version int) error {
	return s.Update(context.Background(), owner, func(tx calendar.Tx) error {
		change, err := tx.NextChange()
		if err != nil {
			return err
		}
		if _, ok, err := tx.Calendar("calendar"); err != nil {
			return err
		} else if !ok {
			if err := tx.InsertCalendar(calendar.CalendarRow{ID: 1, Name: "calendar"}); err != nil {
				return err
			}
		}
		before, _, err := tx.Object(1, name, false)
		if err != nil {
			return err
		}
		// A file before its object and one after it: all three, or none.
		file := func(id string) error {
			return tx.PutAttachment(calendar.AttachmentRow{Cal: 1, Name: name, ID: id, Data: crashData(name+id, version)})
		}
		if err := file("one"); err != nil {
			return err
		}
		err = tx.PutObject(calendar.ObjectRow{Cal: 1, Name: name, UID: name, Change: change, ScheduleTag: int64(version), Data: crashData(name, version)})
		if err != nil {
			return err
		}
		if err := file("two"); err != nil {
			return err
		}
		if err := crashJob(tx, name, change, before, version); err != nil {
			return err
		}
		if err := tx.SetOccurrences(1, name, []calendar.OccurrenceRow{{Start: int64(version), End: int64(version) + 1}}); err != nil {
			return err
		}
		return tx.TouchCalendar(1, change, time.UnixMicro(change))
	})
}

// crashJob keeps one job for each object: that of its last write.
func crashJob(tx calendar.Tx, name string, change int64, before calendar.ObjectRow, version int) error {
	if before.Change > 0 {
		if err := tx.DeleteJob(before.Change, 0); err != nil {
			return err
		}
	}
	return tx.PutJob(calendar.Job{JobID: calendar.JobID{Change: change}, Kind: "follow", Key: name, Attempts: version, Payload: crashData(name, version)})
}

func testCrash(t *testing.T, how string) {
	rounds := 10
	if os.Getenv("FACTOTUM_LONG") == "1" {
		rounds = 100
	}
	acked := map[calendar.Owner]map[string]int{} // name to version
	total := 0
	for round := range rounds {
		total += crashRound(t, how, acked, 1+rand.IntN(300))
		s, err := crashOpen(how)
		if err != nil {
			t.Fatalf("round %d: open after the crash: %v", round, err)
		}
		crashVerify(t, s, acked)
		if err := s.Close(); err != nil {
			t.Errorf("round %d: %v", round, err)
		}
		if t.Failed() {
			t.Fatalf("in round %d", round)
		}
	}
	if len(acked["large"]) == 0 || len(acked["dropped"]) == 0 {
		t.Error("nothing large was deleted")
	}
	t.Logf("%d acknowledged writes over %d crashes, large deletions: %d", total, rounds, len(acked["large"]))
}

// crashRound lets a child write until it has acknowledged so many writes,
// kills it, and collects all that it said.
func crashRound(t *testing.T, how string, acked map[calendar.Owner]map[string]int, want int) (n int) {
	t.Helper()
	child := exec.Command(os.Args[0], "-test.run=^$")
	child.Env = append(os.Environ(), crashEnv+"="+how)
	var errs strings.Builder
	child.Stderr = &errs
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	r := bufio.NewReader(out)
	for {
		line, err := r.ReadString('\n')
		if err == io.EOF {
			break
		}
		var owner calendar.Owner
		var name string
		var version int
		if _, err := fmt.Sscan(line, &owner, &name, &version); err != nil {
			t.Fatalf("the child says %q: %v", line, err)
		}
		if acked[owner] == nil {
			acked[owner] = map[string]int{}
		}
		acked[owner][name] = version
		if n++; n == want {
			child.Process.Signal(syscall.SIGKILL)
		}
	}
	child.Wait()
	if n < want {
		t.Fatalf("the child ended after %d of %d writes: %s", n, want, errs.String())
	}
	return n
}

// crashVerify finds every acknowledged write, or the one after it (stored, but
// not acknowledged in time), whole.
func crashVerify(t *testing.T, s *sqlstore.Store, acked map[calendar.Owner]map[string]int) {
	t.Helper()
	ctx := context.Background()
	if err := s.Check(ctx); err != nil {
		t.Errorf("Check: %v", err)
	}
	crashVerifyLarge(t, s, acked["large"])
	for i := range crashOwners {
		owner := calendar.Owner(fmt.Sprint("owner", i))
		found, files := map[string]int{}, map[string]bool{}
		err := s.View(ctx, owner, func(tx calendar.ReadTx) error {
			jobs, err := tx.Jobs()
			if err != nil {
				return err
			}
			byName := map[string]calendar.Job{}
			for _, j := range jobs {
				byName[j.Key] = j
			}
			err = tx.Objects(1, "", true, func(row *calendar.ObjectRow) error {
				version := int(row.ScheduleTag)
				found[row.Name] = version
				occs, err := tx.ObjectOccurrences(1, row.Name)
				if string(row.Data) != string(crashData(row.Name, version)) || len(occs) != 1 || occs[0].Start != row.ScheduleTag {
					t.Errorf("%s: %s is a mixture: version %d, %v", owner, row.Name, version, occs)
				}
				for _, id := range []string{"one", "two"} {
					a, ok, err := tx.Attachment(1, row.Name, id)
					if err != nil || !ok || string(a.Data) != string(crashData(row.Name+id, version)) {
						t.Errorf("%s: the file %s of %s, version %d: %v %v", owner, id, row.Name, version, ok, err)
					}
				}
				files[row.Name] = true
				j, ok := byName[row.Name]
				if !ok || j.Change != row.Change || j.Attempts != version || string(j.Payload) != string(row.Data) {
					t.Errorf("%s: %s of change %d, version %d, has the job %v %v of version %d", owner, row.Name, row.Change, version, ok, j.JobID, j.Attempts)
				}
				return err
			})
			if err != nil {
				return err
			}
			if len(jobs) != len(found) {
				t.Errorf("%s: %d objects and %d jobs", owner, len(found), len(jobs))
			}
			return tx.AllAttachments(func(a calendar.AttachmentRow, octets int64) {
				if !files[a.Name] || a.Size != octets {
					t.Errorf("%s: a file of %s: the object is there: %v; %d octets of %d", owner, a.Name, files[a.Name], octets, a.Size)
				}
			})
		})
		if err != nil {
			t.Errorf("%s: %v", owner, err)
		}
		for name, version := range acked[owner] {
			if got, ok := found[name]; !ok || got < version || got > version+1 {
				t.Errorf("%s: %s has version %d (%v), acknowledged was %d", owner, name, got, ok, version)
			}
		}
		if err := crashPut(s, owner, "probe", 0); err != nil {
			t.Errorf("%s: a write after the crash: %v", owner, err)
		}
	}
}

func TestSQLiteCrash(t *testing.T)   { testCrash(t, "sqlite "+t.TempDir()) }
func TestPostgresCrash(t *testing.T) { testCrash(t, "postgres "+pgtest.Start(t)) }

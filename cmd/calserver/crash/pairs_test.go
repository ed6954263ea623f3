package crash

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"factotum/server/calendar"
)

// Two objects that are only ever written together, in one transaction of an
// import. Whoever sees different numbers in them has seen half of one.
const pairOwner = "pair"

var (
	pairCalendar = calendar.NewID(pairOwner, calendar.DefaultName)
	pairNames    = [2]string{"left.ics", "right.ics"}
	pairActor    = calendar.Actor{User: pairOwner, Domain: "example.com"}
)

func pairText(name string, n int) []byte {
	size := 300
	if n%5 == 0 {
		size = 30_000
	}
	return []byte(event(name, "number "+strconv.Itoa(n), size))
}

// pairNumber reads the number in an object of the pair, 0 without one.
func pairNumber(text []byte) int {
	_, rest, _ := strings.Cut(string(text), "SUMMARY:number ")
	digits, _, _ := strings.Cut(rest, "\n")
	n, _ := strconv.Atoi(strings.TrimSuffix(digits, "\r"))
	return n
}

// readPair reads both objects in one request.
func readPair(ctx context.Context, be calendar.Backend) (numbers [2]int, err error) {
	req := calendar.ObjectsRequest{Refs: []calendar.Ref{{Calendar: pairCalendar, Name: pairNames[0]}, {Calendar: pairCalendar, Name: pairNames[1]}}}
	i := 0
	err = be.Objects(ctx, pairActor, req, func(r calendar.ObjectResult) error {
		if r.Err == nil {
			numbers[i] = pairNumber(r.Object.Data)
		}
		i++
		return nil
	})
	return numbers, err
}

func importPair(ctx context.Context, be calendar.Backend, n int) error {
	results, err := be.PutObjects(ctx, pairActor, calendar.PutObjectsRequest{Calendar: pairCalendar, Replace: true,
		Items: []calendar.PutItem{{Name: pairNames[0], Data: pairText("left", n)}, {Name: pairNames[1], Data: pairText("right", n)}}})
	if err != nil {
		return err
	}
	for _, r := range results {
		if r.Err != nil {
			return r.Err
		}
	}
	return nil
}

func providePair(ctx context.Context, be calendar.Backend) error {
	_, err := be.Home(ctx, pairActor, calendar.HomeRequest{Owner: pairOwner})
	return err
}

// importPairs imports the pair with rising numbers, and prints each that was
// stored.
func importPairs(ctx context.Context, be calendar.Backend) {
	err := providePair(ctx, be)
	numbers, err2 := readPair(ctx, be)
	for n := numbers[0] + 1; err == nil && err2 == nil && ctx.Err() == nil; n++ {
		if err = importPair(ctx, be, n); err == nil {
			fmt.Println("imported", n)
		}
	}
	if ctx.Err() == nil {
		fmt.Println("import:", err, err2)
	}
}

// pairWatch follows what a process that imports pairs prints.
type pairWatch struct{ last atomic.Int64 }

func (w *pairWatch) line(s string) {
	if rest, ok := strings.CutPrefix(s, "imported "); ok {
		n, _ := strconv.ParseInt(rest, 10, 64)
		w.last.Store(n)
	}
}

// verify reads the pair in one request over HTTP.
func (w *pairWatch) verify(t testing.TB, address string) {
	t.Helper()
	acked := int(w.last.Load())
	c := newClient(address, pairOwner)
	m, err := c.multistatus("REPORT", `<C:calendar-multiget xmlns="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav"><prop><C:calendar-data/></prop><href>`+
		c.collection()+pairNames[0]+`</href><href>`+c.collection()+pairNames[1]+`</href></C:calendar-multiget>`)
	if err != nil {
		t.Fatalf("read the pair: %v", err)
	}
	var numbers []int
	for _, r := range m.Responses {
		for _, p := range r.Propstat {
			numbers = append(numbers, pairNumber([]byte(p.Data)))
		}
	}
	if acked == 0 && len(numbers) == 0 {
		return
	}
	if len(numbers) != 2 || numbers[0] != numbers[1] || numbers[0] < acked {
		t.Errorf("the imported pair has numbers %v, %d was acknowledged", numbers, acked)
	}
}

package calendar_test

import (
	"math"
	"strconv"
	"testing"

	"factotum/server/calendar"
)

func TestETagIsBase32(t *testing.T) {
	for _, change := range []int64{0, 1, 31, 32, 1023, 1024, 1<<15 - 1, 1 << 15, 1<<20 - 1, 1 << 20, 1<<20 + 1, 1<<25 - 1, 1 << 40, 1<<40 + 12345, math.MaxInt64, -1, math.MinInt64} {
		for _, size := range []int{0, 9, 31, 32, 33, 1024, 40_000, 10 << 20} {
			o := &calendar.Object{Change: change, Size: size}
			if got, want := o.ETag(), strconv.FormatInt(change, 32)+"-"+strconv.FormatInt(int64(size), 32); got != want {
				t.Errorf("%d, %d: %s, want %s", change, size, got, want)
			}
			o.Masked = true
			if got, want := o.ETag(), strconv.FormatInt(change, 32)+"-0m"; got != want {
				t.Errorf("%d, masked: %s, want %s", change, got, want)
			}
		}
	}
}

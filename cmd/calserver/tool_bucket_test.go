package main

import (
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"
	"github.com/rogpeppe/go-internal/testscript"
)

// scriptBucket is a script's service that speaks S3, at $S3: "bucket start", "bucket away",
// "bucket back".
type scriptBucket struct{ away atomic.Bool }

func (b *scriptBucket) command(t *testing.T, ts *testscript.TestScript, args []string) {
	switch {
	case len(args) == 1 && args[0] == "start":
		fake := gofakes3.New(s3mem.New(), gofakes3.WithAutoBucket(true)).Server()
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if b.away.Load() {
				http.Error(w, "away", http.StatusServiceUnavailable)
				return
			}
			fake.ServeHTTP(w, r)
		}))
		ts.Defer(s.Close)
		ts.Setenv("S3", s.URL)
	case len(args) == 1 && args[0] == "away":
		b.away.Store(true)
	case len(args) == 1 && args[0] == "back":
		b.away.Store(false)
	default:
		ts.Fatalf("bucket %q", args)
	}
}

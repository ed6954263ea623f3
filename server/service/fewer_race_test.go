//go:build race

package service_test

import "flag"

// Under the race detector rapid tries fewer cases, and what is measured is not; make
// check does all of it without.
const detected = true

func init() { flag.Set("rapid.checks", "20") }

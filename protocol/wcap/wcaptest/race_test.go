//go:build race

package wcaptest

import "factotum/protocol/sitetest"

// variants are fewer under the race detector, each engine, once over DWP, and what is
// measured is not; make check has all of them without it.
var variants = sitetest.Variants[1:3]

const detected = true

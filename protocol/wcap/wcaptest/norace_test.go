//go:build !race

package wcaptest

import "factotum/protocol/sitetest"

var variants = sitetest.Variants

const detected = false

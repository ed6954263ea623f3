//go:build !race

package caldav

// raceFactor is how much more the race detector makes everything cost.
const raceFactor = 1

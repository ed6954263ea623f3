//go:build race

package meetings

// raceFactor is how much more the race detector makes everything cost.
const raceFactor = 10

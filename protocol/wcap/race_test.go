//go:build race

package wcap

// raceFactor is how much more the race detector makes everything cost.
const raceFactor = 15

//go:build race

package wcap

// raceFactor is how much more the race detector makes everything cost. What is
// large, or tries many values one by one, is smaller under it, since there is
// little for it to find; make check runs this package without it too.
const raceFactor = 15

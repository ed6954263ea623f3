//go:build !race

package meetings

const raceFactor = 1

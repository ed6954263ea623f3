//go:build !race

package stories

const fewer = 1

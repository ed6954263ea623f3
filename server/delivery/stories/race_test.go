//go:build race

package stories

// fewer is by how much fewer stories are told under the race detector; make check
// tells all of them without it.
const fewer = 10

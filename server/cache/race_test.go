//go:build race

package cache_test

// fewer is by how much fewer histories are tried under the race detector; make check
// tries all of them without it.
const fewer = 5

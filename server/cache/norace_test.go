//go:build !race

package cache_test

const fewer = 1

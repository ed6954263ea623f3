//go:build !race

package delivery_test

const fewer = 1

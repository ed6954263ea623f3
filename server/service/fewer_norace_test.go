//go:build !race

package service_test

const detected = false

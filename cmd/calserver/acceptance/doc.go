// Package acceptance tests the finished program: it builds calserver once,
// runs it as its users do, and plays real clients, rules of access and hostile
// input against it over the network. It has no code of its own besides tests.
//
// Clients that are not installed are skipped, and fail where CI is "true".
package acceptance

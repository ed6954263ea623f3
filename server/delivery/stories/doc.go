// Package stories holds the model-based test of scheduling: random stories of
// people, rooms and a group whose meetings are made, moved, answered and called
// off by both protocols, while messages get lost, late and doubled and the daemon
// dies. A plain model of what people mean, a book as one keeps it with pen and
// paper, knows nothing of messages; when all is quiet, every copy agrees with it,
// and the journals explain what somebody may wonder at.
package stories

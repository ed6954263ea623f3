package worker

import "factotum/server/calendar"

// Place is where a job stands in the order in which jobs run.
type Place string

const (
	Unknown Place = "unknown" // it is not in memory: parked in the table, done by now, or lost
	Behind  Place = "behind"  // another of its line comes first
	Waiting Place = "waiting" // for its time
	Ready   Place = "ready"   // for room
	Running Place = "running"
	Stopped Place = "parked" // and holds up its line
)

var places = [states]Place{stateBehind: Behind, stateWaiting: Waiting, stateReady: Ready, stateRunning: Running, stateParked: Stopped}

// Places tells where jobs stand.
func (w *Worker) Places(jobs []calendar.Job) []Place {
	list := make([]Place, len(jobs))
	w.mu.Lock()
	defer w.mu.Unlock()
	for i := range jobs {
		list[i] = Unknown
		if e, _ := w.queue.find(&jobs[i]); e != nil {
			list[i] = places[e.state]
		}
	}
	return list
}

package archive

// kill ends the log as the end of its process would: nothing that waits is written.
func (l *log) kill() {
	l.mu.Lock()
	l.waiting, l.tasks, l.closed, l.places = nil, nil, true, nil
	l.more.Broadcast()
	l.mu.Unlock()
	<-l.done
}

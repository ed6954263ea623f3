package archive

// kill ends the log as the end of its process would: nothing that waits is written, and
// nobody is left who packs or removes files.
func (l *log) kill() {
	l.mu.Lock()
	places := l.places
	l.waiting, l.tasks, l.closed, l.places = nil, nil, true, nil
	l.more.Broadcast()
	l.mu.Unlock()
	<-l.done
	for _, p := range places {
		p.aside.Wait()
	}
}

package broker

// Stats are numbers about a broker since it was opened.
type Stats struct {
	Connected  bool   // presence is read from NATS and written to it
	Reconnects uint64 // connections, and buckets, after the first
	Entries    int    // that the node writes
	Queued     int    // writes that wait to be sent
	InFlight   int    // writes that wait for their acks
	Writes     uint64
	Renewals   uint64
	LookUps    uint64 // of the newest revision of a key
}

// Stats returns the numbers now.
func (b *Broker) Stats() Stats {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.counts
	s.Connected, s.Reconnects = b.health.Err() == nil, max(s.Reconnects, 1)-1
	s.Entries, s.Queued, s.InFlight, s.Writes = len(b.items), b.queue.Len(), len(b.inFlight), b.writeCount
	return s
}

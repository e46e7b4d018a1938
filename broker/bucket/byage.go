package bucket

// byAge is a heap (container/heap) of revisions. The first one was written longest ago.
type byAge []*revision

func (h byAge) Len() int           { return len(h) }
func (h byAge) Less(i, j int) bool { return h[i].made < h[j].made }

func (h byAge) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i, j
}

func (h *byAge) Push(x any) {
	f := x.(*revision)
	f.index = len(*h)
	*h = append(*h, f)
}

func (h *byAge) Pop() any {
	last := len(*h) - 1
	f := (*h)[last]
	(*h)[last] = nil
	*h = (*h)[:last]
	return f
}

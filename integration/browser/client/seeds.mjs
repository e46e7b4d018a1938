// The seeds that every run plays, beside the first ones: each of these has failed once.
// explore.mjs looks for more.

export const FAILED = [
	// A one-time tick handler throws while the answer of a second beat is due in the same
	// millisecond: the error was reported after the second tick.
	126837871, 700001645,
]

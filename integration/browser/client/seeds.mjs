// Seeds that have failed once. Every run plays them in addition to the first ones. explore.mjs
// searches for more.

export const FAILED = [
	// A one-time tick handler throws while the answer to a second beat is due in the same
	// millisecond: the error was reported after the second tick.
	126837871, 700001645,
]

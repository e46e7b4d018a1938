// Adds members that are not enumerable: code that lists the methods of wp.heartbeat finds the
// nine that WordPress has.

export function extend(heartbeat, extras) {
	Object.keys(extras).forEach((name) => Object.defineProperty(heartbeat, name, { value: extras[name] }))
}

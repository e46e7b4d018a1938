// Processes that this one has started, and those that they have started.

import { readFileSync, readdirSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'

const GRACE = 5000 // milliseconds that processes have to end by themselves

// descendants returns them. Those that begin later, or whose parent has ended, are not among them.
export function descendants() {
	const all = readdirSync('/proc').filter((name) => /^\d+$/.test(name)).map(Number).map(read).filter(Boolean)
	const found = []
	for (let parents = [process.pid]; parents.length;) {
		const children = all.filter(({ parent }) => parents.includes(parent))
		found.push(...children)
		parents = children.map(({ pid }) => pid)
	}
	return found
}

// ended waits until processes have ended, and kills those that do not end in time.
export async function ended(list) {
	const deadline = Date.now() + GRACE
	while ((list = list.filter(runs)).length && Date.now() < deadline) await sleep(50)
	for (const { pid } of list) {
		try {
			process.kill(pid, 'SIGKILL')
		} catch {
			// it has just ended, or belongs to another user
		}
	}
	const end = Date.now() + GRACE
	while (list.some(runs) && Date.now() < end) await sleep(20)
	const left = list.filter(runs).map(({ pid }) => pid)
	if (left.length) console.error('processes that cannot be ended: ' + left.join(', '))
}

// runs tells whether a process still runs: it may have ended, and another may have its number.
function runs({ pid, start }) {
	const now = read(pid)
	return now?.start === start && now.state !== 'Z'
}

function read(pid) {
	try {
		const text = readFileSync(`/proc/${pid}/stat`, 'utf8')
		const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
		return { pid, state: fields[0], parent: Number(fields[1]), start: fields[19] }
	} catch {
		return null // it has ended
	}
}

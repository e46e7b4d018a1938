// Fake links for the tests of the selector: `world` says which transports work.

import { beforeEach, mock } from 'node:test'
import { createTransportSelector } from '../src/transportselector.js'

// Lets promises settle between two ticks of the clock.
export async function settle() {
	for (let i = 0; i < 20; i++) await null
}
export async function pass(ms, step = 50) {
	await settle()
	for (let gone = 0; gone < ms; gone += step) {
		mock.timers.tick(Math.min(step, ms - gone))
		await settle()
	}
}

export let made
export let changes
export let world

beforeEach(() => {
	mock.timers.reset()
	mock.timers.enable({ apis: ['setTimeout', 'Date'], now: 1_800_000_000_000 })
	made = []
	changes = []
	world = { works: { websocket: true, longpoll: true }, visible: true, up: true, asked: 0, tab: new Map(), browser: new Map(), warnings: [], random: 1 }
})

const storage = (map) => ({ getItem: (key) => map.get(key) ?? null, setItem: (key, value) => {
	if (world.full) throw new Error('the storage is full')
	map.set(key, value)
} })

/** Stores that the transports have worked in this browser. */
export const known = (...names) => world.browser.set('heartbeatd-known', JSON.stringify(Object.fromEntries(names.map((name) => [name, 1]))))

export const BYE = (code, retryAfter = 0) => ({ code, retryAfter })

function fakeLink(name, calls) {
	const link = {
		name,
		...calls,
		closed: false,
		test: world.tests && (() => world.tests),
		open: () =>
			new Promise((resolve, reject) => {
				link.asked = true
				const how = world.works[name]
				if (how instanceof Promise) how.then(resolve, reject)
				else if (how === true) resolve({ type: 'welcome' })
				else if (how) reject(how)
				else if (how === false) reject(BYE(1006))
			}),
		close: () => (link.closed = true),
		leave: () => (link.left = true),
	}
	made.push(link)
	return link
}

export function newSelector(order = ['websocket', 'longpoll'], random = () => world.random) {
	return createTransportSelector({
		order,
		make: fakeLink,
		hello: () => ({}),
		isUp: async () => {
			world.asked++
			return world.up
		},
		may: (name) => name !== 'longpoll' || world.visible,
		othersLinked: () => world.othersLinked,
		onFrame() {},
		onChange: (name) => changes.push(name),
		win: {
			...(world.firefox && { mozInnerScreenX: 0 }),
			setTimeout: (...args) => setTimeout(...args),
			clearTimeout: (timer) => clearTimeout(timer),
			sessionStorage: storage(world.tab),
			localStorage: storage(world.browser),
			console: { warn: (text) => world.warnings.push(text) },
		},
		random,
	})
}

export const names = () => made.map((link) => link.name)

import assert from 'node:assert/strict'
import { beforeEach, test } from 'node:test'
import { watchLeaving } from '../src/leaving.js'

const link = { target: '', protocol: 'https:', hash: '', hasAttribute: () => false, closest: () => link }
const text = { closest: () => null }

let win
let calls

beforeEach(() => {
	const listeners = {}
	calls = []
	win = {
		location: { href: 'https://example.org/wp-admin/' },
		addEventListener: (name, listener) => (listeners[name] = listener),
		fire: (name, event) => listeners[name]({ button: 0, target: link, ...event }),
	}
	watchLeaving(win, () => calls.push('leaving'), () => calls.push('staying'))
})

const STAYS = {
	'a touch that scrolls': () => win.fire('pointercancel'),
	'a button that is released elsewhere': () => win.fire('pointerup', { target: text }),
	'a click that the page handles': () => win.fire('pointerup') || win.fire('click', { defaultPrevented: true }),
}
for (const [what, act] of Object.entries(STAYS)) {
	test(`the page stays after ${what}`, () => {
		act()
		assert.deepEqual(calls, [], 'nothing was pressed')
		win.fire('pointerdown')
		act()
		act()
		assert.deepEqual(calls, ['leaving', 'staying'])
	})
}

test('the page is left after a click that the page does not handle', () => {
	win.fire('pointerdown')
	win.fire('pointerup')
	win.fire('click', { defaultPrevented: false })
	assert.deepEqual(calls, ['leaving'])
})

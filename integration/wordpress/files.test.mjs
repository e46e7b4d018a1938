// The plugin's files: they parse, are complete, and match what they are generated from.

import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { readFileSync, readdirSync } from 'node:fs'
import { dirname } from 'node:path'
import { test } from 'node:test'
import { root } from '../browser/harness.mjs'
import { made } from './findings.mjs'

const folder = `${root}integration/wordpress/`
const files = readdirSync(folder, { recursive: true }).filter((name) => name.startsWith('heartbeatd/') || name.startsWith('examples/'))
const php = files.filter((name) => name.endsWith('.php'))
const read = (name) => readFileSync(folder + name, 'utf8')

test('every PHP file parses, and does nothing when it is requested directly', () => {
	assert.ok(php.length > 10)
	for (const name of php.filter((file) => file.startsWith('heartbeatd/'))) {
		const { status, stdout, stderr } = spawnSync('php', ['-d', 'display_errors=1', folder + name], { encoding: 'utf8' })
		assert.deepEqual([name, status, stdout, stderr], [name, 0, '', ''])
	}
})

test('the plugin has the scripts that client-js builds', () => {
	for (const name of ['heartbeat.js', 'heartbeat-link.js'].flatMap((script) => [script, `${script}.map`])) {
		assert.ok(read(`heartbeatd/assets/${name}`) === readFileSync(`${root}client-js/dist/${name}`, 'utf8'),
			`copy client-js/dist/${name} to integration/wordpress/heartbeatd/assets`)
	}
})

test('every text has the plugin\'s text domain, or is a text of core', () => {
	for (const name of php.filter((file) => file.startsWith('heartbeatd/'))) {
		for (const [call] of read(name).matchAll(/\b(?:esc_(?:html|attr)_)?(?:__|_e|_n|_x)\( '.*/g)) {
			if (name.endsWith('labels.php')) continue
			assert.match(call, /'heartbeatd' \)/, `${name}: ${call}`)
		}
	}
})

test('the .pot file has every text', () => {
	const texts = (pot) => pot.match(/^msgid.*|^#\. .*/gm).sort()
	const made = texts(execFileSync(`${folder}pot`, { encoding: 'utf8' }))
	assert.deepEqual(texts(read('heartbeatd/languages/heartbeatd.pot')), made, 'integration/wordpress/pot > integration/wordpress/heartbeatd/languages/heartbeatd.pot')
	assert.ok(made.includes('msgid "%s has left this post"'), 'texts of scripts, too')
})

test('the plugin and the documentation have the list of findings', () => {
	const findings = JSON.parse(readFileSync(`${root}server/finding/findings.json`, 'utf8'))
	for (const [file, make] of Object.entries(made)) assert.ok(readFileSync(file, 'utf8') === make(), `${file} is old: node integration/wordpress/findings.mjs`)
	const code = php.filter((name) => /\/admin\/(?!findings)/.test(name)).map(read).join('')
	for (const [, name] of code.matchAll(/heartbeatd_finding\( '([a-z0-9-]+)'/g)) assert.ok(findings.some((one) => one.name === name), name)
})

test('functions, constants and callbacks have the plugin\'s prefix, and callbacks exist', () => {
	for (const name of php.filter((file) => file.startsWith('heartbeatd/'))) {
		for (const [, symbol] of read(name).matchAll(/^(?:function &?|const |define\( ')(\w+)/gm)) assert.match(symbol, /^heartbeatd_/i, `${name}: ${symbol}`)
	}
	const hooks = ['load.php', 'includes/presence-ui/hooks.php'].flatMap((name) => [...read(`heartbeatd/${name}`).matchAll(/^\t*add_(?:action|filter)\( [^,]+, '(\w+)'/gm)])
	assert.ok(hooks.length > 100)
	for (const [, callback] of hooks) {
		assert.ok(php.some((name) => read(name).includes(`function ${callback}(`)), `${callback} is hooked and not defined`)
	}
})

test('a function calls only functions of its own file and of files that are loaded before it', () => {
	const source = (name) => read(name).replace(/\/\*.*?\*\//gs, '').replace(/\/\/.*/g, '')
	const required = (name) => [...read(name).matchAll(/^\t*require(?:_once)? __DIR__ \. '(.*)';$/gm)].flatMap(([, file]) => withRequired(dirname(name) + file))
	const withRequired = (name) => [...required(name), name]
	const order = required('heartbeatd/load.php')
	const names = php.filter((name) => name.startsWith('heartbeatd/includes/'))
	const places = new Map(names.flatMap((name) => [...source(name).matchAll(/^\t?(?:function &?|const )(\w+)/gm)].map(([, symbol]) => [symbol, name])))
	assert.deepEqual([...order].sort(), [...names].sort(), 'every file is loaded')
	assert.ok(places.size > 200)
	for (const name of names) {
		for (const [, symbol] of source(name).matchAll(/\b(heartbeatd_\w+(?=\()|HEARTBEATD_\w+)/g)) {
			if (places.has(symbol)) assert.ok(order.indexOf(places.get(symbol)) <= order.indexOf(name), `${name} uses ${symbol} of ${places.get(symbol)}`)
		}
	}
})

test('the minimum versions are the same everywhere, and the code does not need newer ones', () => {
	const main = read('heartbeatd/heartbeatd.php')
	for (const field of ['Requires at least', 'Requires PHP']) {
		const value = main.match(new RegExp(`^ \\* ${field}: +(\\S+)`, 'm'))[1]
		assert.equal(read('heartbeatd/readme.txt').match(new RegExp(`^${field}: (\\S+)`, 'm'))[1], value)
	}
	// Tickets are revoked on the action wp_set_password, which WordPress 6.2 introduced.
	assert.match(read('heartbeatd/load.php'), /^add_action\( 'wp_set_password', /m)
	const [major, minor] = main.match(/^ \* Requires at least: +(\d+)\.(\d+)$/m).slice(1).map(Number)
	assert.ok(major > 6 || (major === 6 && minor >= 2), `${major}.${minor}`)
	for (const name of php) assert.doesNotMatch(read(name), /\?->|\bmatch ?\(|\benum |readonly |#\[|: (?:static|mixed|never)\b/, `${name} needs more than PHP 7.4`)
})

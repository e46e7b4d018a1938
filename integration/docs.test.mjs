// The documentation: its links resolve, and its lists match the program.

import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { test } from 'node:test'
import { root } from './browser/harness.mjs'

const pages = execFileSync('git', ['ls-files', '*.md'], { cwd: root, encoding: 'utf8' }).split('\n').filter(Boolean)
const read = (name) => readFileSync(join(root, name), 'utf8')

// prose is a page without its blocks of code, in which brackets and # have other meanings.
const prose = (name) => read(name).replace(/^```.*?^```$/gms, '').replace(/^ {4}.*$/gm, '')

// anchorsOf returns the anchors that GitHub gives the headings of a page.
const anchorsOf = (name) => new Set(Array.from(prose(name).matchAll(/^#+ (.*)$/gm), ([, heading]) =>
	heading.toLowerCase().replace(/[^\p{L}\p{N}\s_-]/gu, '').trim().replaceAll(' ', '-')))

test('every relative link and every anchor resolves', () => {
	const broken = []
	let count = 0
	for (const page of pages) {
		for (const [, target] of prose(page).matchAll(/\]\(([^)\s]+)\)/g)) {
			if (/^[a-z]+:/.test(target)) continue
			count++
			const [path, anchor] = target.split('#')
			const file = path ? join(dirname(page), path) : page
			if (!existsSync(join(root, file)) || relative(root, join(root, file)).startsWith('..')) broken.push(`${page}: ${target}`)
			else if (anchor && !anchorsOf(file).has(anchor)) broken.push(`${page}: ${target} (no such heading)`)
		}
	}
	assert.ok(count > 30, `${count} links`)
	assert.deepEqual(broken, [])
})

test('docs/deploy.md lists the checks of the doctor, in their order', () => {
	const table = read('docs/deploy.md').match(/^\| check \|.*\n(?:\|.*\n)+/m)[0]
	const checks = read('server/heartbeatd/doctor/doctor.go').match(/^\treturn \[\]check\{\n.*?^\t\}/ms)[0]
	const documented = Array.from(table.matchAll(/^\| ([a-z-]+) \|/gm), ([, name]) => name).slice(1)
	assert.deepEqual(documented, Array.from(checks.matchAll(/^\t\t\{"([a-z-]+)",/gm), ([, name]) => name))
})

test('the flags that the docs name exist', () => {
	const flags = new Set(['help'])
	const go = execFileSync('git', ['ls-files', 'server/heartbeatd/*.go'], { cwd: root, encoding: 'utf8' }).split('\n').filter((name) => name && !name.endsWith('_test.go'))
	// kong makes the flag --nats-url of the field NatsURL.
	for (const name of go) {
		for (const [, field, tags] of read(name).matchAll(/^\t(\w+) +[^`\n]+`(.*help:.*)`$/gm)) {
			if (!/\bcmd:|\barg:/.test(tags)) flags.add(field.replace(/([a-z0-9])([A-Z])|([A-Z])([A-Z][a-z])/g, '$1$3-$2$4').toLowerCase())
		}
	}
	const unknown = []
	for (const page of pages) {
		for (const [line] of read(page).matchAll(/^.*heartbeatd .*--.*$|`--[a-z].*$/gm)) {
			if (/\b(node|wp|make|curl|go|systemctl) /.test(line)) continue
			for (const [, flag] of line.matchAll(/(?<![\w-])--([a-z][a-z-]*)/g)) if (!flags.has(flag)) unknown.push(`${page}: --${flag}`)
		}
	}
	assert.ok(flags.size > 20, [...flags].join())
	assert.deepEqual(unknown, [])
})

// What runs the examples that are in no folder of examples: a part of it, and the test.
const SNIPPETS = [
	['heartbeatd_push( string $to', 'integration/wordpress/plugin.test.mjs', 'heartbeatd_push('],
	["$known['heartbeat_received'][] = 'My_Plugin::on_heartbeat'", 'integration/wordpress/plugin.test.mjs', 'heartbeatd_known_callbacks'],
	["add_action( 'my_import_row'", 'integration/wordpress/presence/alone.test.mjs', 'wp_set_presence('],
	["add_filter( 'wp_presence_current_screen_key'", 'integration/wordpress/ui/extension-points.test.mjs', 'wp_presence_current_screen_key'],
	['wp.presence.markScreenStale(', 'integration/wordpress/ui/extension-points.test.mjs', 'markScreenStale'],
]

test('the examples for plugins are those of the example plugins, which tests run', () => {
	const flat = (text) => text.replaceAll(/\s+/g, ' ').trim()
	const files = execFileSync('git', ['ls-files', 'integration/wordpress/examples'], { cwd: root, encoding: 'utf8' }).split('\n').filter(Boolean)
	const examples = files.map((name) => flat(read(name)))
	const blocks = pages.flatMap((page) => Array.from(read(page).matchAll(/^```(?:php|js)\n(.*?)^```/gms), ([, code]) => code))
	const own = blocks.filter((code) => examples.some((text) => text.includes(flat(code))))
	const others = blocks.filter((code) => !own.includes(code))
	assert.ok(own.length >= 4, `${own.length} of ${blocks.length} examples are in files`)
	for (const code of others) {
		const [, file, part] = SNIPPETS.find(([begin]) => code.includes(begin)) ?? assert.fail(`no test runs\n${code}`)
		assert.ok(read(file).includes(part), `${file} has no ${part}`)
	}
	assert.equal(others.length, SNIPPETS.length)
	for (const name of files) {
		if (name.endsWith('.js')) assert.ok(read('integration/wordpress/examples.test.mjs').includes(`'${name.split('/').at(-2)}'`), `no test has ${name}`)
	}
})

// docs/findings.md is written by a program.
test('no page has more than 400 lines', () => {
	assert.deepEqual(pages.filter((page) => page !== 'docs/findings.md' && read(page).split('\n').length > 401), [])
})

test('the files exist that the pages for contributors name', () => {
	const files = execFileSync('git', ['ls-files'], { cwd: root, encoding: 'utf8' }).split('\n')
	const missing = []
	let count = 0
	for (const page of ['docs/architecture.md', 'CONTRIBUTING.md', 'docs/security.md', 'docs/faults.md']) {
		for (const [, name] of read(page).matchAll(/`([\w./-]+\.(?:go|js|mjs|php|json|md|py))`/g)) {
			if (name === 'admin-ajax.php') continue // WordPress's
			count++
			if (!files.some((file) => file === name || file.endsWith(`/${name}`))) missing.push(`${page}: ${name}`)
		}
	}
	assert.ok(count > 100, `${count} files`)
	assert.deepEqual(missing, [])
})

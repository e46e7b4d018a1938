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

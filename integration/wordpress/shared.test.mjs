// Constants that exist in several languages have the same value.

import assert from 'node:assert/strict'
import { readFileSync, readdirSync } from 'node:fs'
import { test } from 'node:test'
import { root } from '../browser/harness.mjs'
import { nativeHandles } from './plugin.mjs'

// sources returns the text of all files with an extension below a folder, without tests.
const sources = (folder, extension) => readdirSync(root + folder, { recursive: true })
	.filter((name) => name.endsWith(extension) && !/[._]test\.|(^|\/)testdata\//.test(name))
	.map((name) => readFileSync(`${root}${folder}/${name}`, 'utf8')).join('\n')

const php = sources('integration/wordpress/heartbeatd', '.php')
const assets = sources('integration/wordpress/heartbeatd/assets', '.js')
const go = ['broker', 'server'].map((folder) => sources(folder, '.go')).join('\n')

// find returns the first group of the matches, which must all be the same.
function find(source, pattern) {
	const found = new Set(Array.from(source.matchAll(pattern), ([, value]) => value))
	assert.equal(found.size, 1, `${pattern} finds ${JSON.stringify([...found])}`)
	return [...found][0]
}

const constant = (name) => Number(find(php, new RegExp(`^const ${name} += ([\\d.]+);$`, 'gm')))

test('native handles', () => {
	const inGo = Array.from(go.matchAll(/^\t+h\.AddNative\((?:"([^"]+)"|(\w+)), /gm), ([, handle, name]) => handle ?? find(go, new RegExp(`\\b${name} += "([^"]+)"$`, 'gm')))
	assert.ok(nativeHandles.length > 0)
	assert.deepEqual(nativeHandles, inGo)
})

test('the time after which a user is idle', () => {
	const seconds = constant('HEARTBEATD_IDLE_AFTER')
	assert.equal(Number(find(go, /^const IdleAfter = (\d+) \* time\.Second$/gm)), seconds)
	assert.equal(Number(find(readFileSync(`${root}client-js/src/activity.js`, 'utf8'), /^const IDLE = (\d+)$/gm)), 1000 * seconds)
	assert.equal(Number(find(assets, /^\tconst IDLE_MS = (\d+);$/gm)), 1000 * seconds)
})

test('how long pages do without PHP', () => {
	const client = ['ticket', 'answercache'].map((name) => readFileSync(`${root}client-js/src/${name}.js`, 'utf8')).join('\n')
	assert.equal(Number(find(client, /^const LIFE = (\d+) /gm)), constant('HEARTBEATD_TICKET_FRESH_TIME'))
	for (const [inScript, inPHP] of [['MAX_LIFE', 'LOCK_REPEAT_TIME'], ['MAX_LIST_LIFE', 'LIST_REPEAT_TIME'], ['MARGIN', 'LOCK_MARGIN'], ['UNFOCUSED', 'UNFOCUSED_INTERVAL']]) {
		assert.equal(Number(find(client, new RegExp(`^(?:export )?const ${inScript} = (\\d+)$`, 'gm'))), 1000 * constant(`HEARTBEATD_${inPHP}`), inScript)
	}
})

test('limits of tickets and entries', () => {
	assert.equal(Number(find(go, /^\tMaxBytes = (\d+)$/gm)), constant('HEARTBEATD_MAX_JWT'))
	assert.equal(Number(find(go, /^\tMaxData = (\d+)$/gm)), constant('HEARTBEATD_MAX_ENTRY_DATA'))
	assert.equal(Number(find(go, /^\tMaxDataValues = (\d+)$/gm)), constant('HEARTBEATD_MAX_ENTRY_VALUES'))
	assert.equal(Number(find(go, /^\tMaxDepth = (\d+)$/gm)), constant('HEARTBEATD_MAX_DEPTH'))
	assert.equal(Number(find(go, /^const MaxListed = (\d+)$/gm)), constant('HEARTBEATD_MAX_ONLINE'))
	assert.equal(Number(find(assets, /^\tconst MAX_ENTRIES = (\d+);$/gm)), constant('HEARTBEATD_MAX_ONLINE'))
})

test('how many users the admin shows', () => {
	for (const [inPHP, inScript] of [['HEARTBEATD_UI_MAX_AVATARS', 'MAX_AVATARS'], ['HEARTBEATD_UI_MAX_BAR_USERS', 'MAX_USERS'], ['HEARTBEATD_UI_MAX_WIDGET_USERS', 'MAX_WIDGET_USERS']]) {
		assert.equal(Number(find(assets, new RegExp(`^\\tconst ${inScript} = (\\d+);$`, 'gm'))), constant(inPHP), inScript)
	}
})

test('the version number', () => {
	const version = readFileSync(`${root}server/version/VERSION`, 'utf8').trim()
	assert.match(version, /^\d+\.\d+\.\d+(-[\w.]+)?$/)
	const readme = readFileSync(`${root}integration/wordpress/heartbeatd/readme.txt`, 'utf8')
	assert.equal(find(php, /^ \* Version: +(\S+)$/gm), version)
	assert.equal(find(php, /'HEARTBEATD_PLUGIN_VERSION', '(.+)'/g), version)
	assert.equal(find(readme, /^Stable tag: (\S+)$/gm), version)
	assert.equal(readme.match(/^= (\d\S*) =$/m)[1], version, 'the newest version of the changelog')
	assert.equal(readFileSync(`${root}CHANGELOG.md`, 'utf8').match(/^## \[(\d.*)\]/m)[1], version, 'the newest version in CHANGELOG.md')
	for (const file of ['package.json', 'package-lock.json']) assert.equal(JSON.parse(readFileSync(root + file, 'utf8')).version, version, file)
})

// What wordpress.org shows of the plugin: readme.txt, pictures of the sizes that it asks for, and the blueprint.

import assert from 'node:assert/strict'
import { readFileSync, readdirSync, statSync } from 'node:fs'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'

const directory = fileURLToPath(new URL('directory/', import.meta.url))
const plugin = fileURLToPath(new URL('heartbeatd/', import.meta.url))
const pictures = readdirSync(directory).filter((name) => name.endsWith('.png'))

// sizeOf reads the size of a PNG file from its first chunk.
function sizeOf(name) {
	const png = readFileSync(directory + name)
	return `${png.readUInt32BE(16)}x${png.readUInt32BE(20)}`
}

test('the icon and the banner have their sizes, and no picture is large', () => {
	const sizes = pictures.filter((name) => !name.startsWith('screenshot')).map((name) => [name.match(/-(\d+x\d+)\.png$/)[1], sizeOf(name)])
	assert.deepEqual(sizes.map(([, size]) => size).sort(), ['128x128', '1544x500', '256x256', '772x250'])
	for (const [said, size] of sizes) assert.equal(size, said)
	for (const name of pictures) assert.ok(statSync(directory + name).size < 300_000, name)
	for (const name of ['icon.svg', 'banner.svg']) assert.match(readFileSync(directory + name, 'utf8'), /^<svg [^>]*viewBox=/)
})

test('readme.txt has a caption for each screenshot', () => {
	const captions = readFileSync(`${plugin}readme.txt`, 'utf8').match(/^== Screenshots ==\n\n((?:\d+\. .+\n)+)/m)[1]
	const numbers = Array.from(captions.matchAll(/^(\d+)\./gm), ([, number]) => `screenshot-${number}.png`)
	assert.deepEqual(numbers, pictures.filter((name) => name.startsWith('screenshot')))
})

test('the blueprint installs the plugin and opens its settings screen', () => {
	const { steps, landingPage } = JSON.parse(readFileSync(`${directory}blueprints/blueprint.json`, 'utf8'))
	const [{ pluginData, options }] = steps
	assert.deepEqual([landingPage, pluginData.path, options], ['/wp-admin/options-general.php?page=heartbeatd', 'integration/wordpress/heartbeatd', { activate: true, targetFolderName: 'heartbeatd' }])
})

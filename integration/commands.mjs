// The commands that the documentation shows.

import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { root } from './browser/harness.mjs'

const PROGRAMS = 'heartbeatd go node npm make curl cp install systemctl wp python3 openssl apt cat ssh nginx git'.split(' ')
const SETTING = String.raw`(?:[A-Z][A-Z_]*='?[^ ']*'? )*`
const BLOCK = new RegExp(String.raw`^(?:${SETTING})(?:\./)?(?:${PROGRAMS.join('|')}) .+$|^(?:${SETTING})(?:\./)?heartbeatd$`)
const INLINE = new RegExp(String.raw`^(?:${SETTING})(?:make [a-z]|go (?:run|test|build) |node |wp [a-z]|\./heartbeatd|heartbeatd (?:watch|push|nudge|ticket|doctor|config|version|serve)|systemctl |ssh |openssl ).*$`)

const pages = execFileSync('git', ['ls-files', '*.md'], { cwd: root, encoding: 'utf8' }).split('\n').filter(Boolean)
const read = (page) => readFileSync(`${root}${page}`, 'utf8')

/** Returns the configuration files that pages show, with a secret in the place of each …. */
export function shownConfigurations() {
	let secrets = 0
	const blocks = pages.flatMap((page) => read(page).match(/^ {4}\{ ".*\n(?: {4}.*\n)*/gm) ?? [])
	return blocks.filter((text) => text.includes('"sites": [')).map((text) => text.replaceAll('…', () => `secret ${++secrets} of the tests, which is long`))
}

/** Returns the commands by text, each with the pages that have it. */
export function documentedCommands() {
	const commands = new Map()
	for (const page of pages) {
		const text = read(page)
		for (const command of [...inBlocks(text), ...inline(text)]) commands.set(command, (commands.get(command) ?? new Set()).add(page))
	}
	return commands
}

// A command ends where a block explains it: after two spaces. A line may go on after a backslash.
const inBlocks = (text) => text.replaceAll(/ \\\n +/g, ' ').split('\n')
	.map((line) => line.match(/^(?: {4,}|\t)(\S.*)$/)?.[1].split(/ {2,}/)[0])
	.filter((line) => line && BLOCK.test(line))

const inline = (text) => Array.from(text.replaceAll(/^ {4}.*$/gm, '').matchAll(/`([^`]+)`/g), ([, code]) => code.replaceAll('\n', ' ')).filter((code) => INLINE.test(code))
